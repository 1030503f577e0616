package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/golang/protobuf/jsonpb"
	"github.com/golang/protobuf/proto"
)

// generic turns a message into plain JSON values as the original shows them: camelCase names, every field, 64-bit numbers
// as strings.
func generic(message proto.Message) (map[string]interface{}, error) {
	text, err := (&jsonpb.Marshaler{EmitDefaults: true}).MarshalToString(message)
	if err != nil {
		return nil, err
	}
	values := map[string]interface{}{}
	return values, json.Unmarshal([]byte(text), &values)
}

func show(values interface{}) error {
	text, err := json.MarshalIndent(values, "", "  ")
	if err == nil {
		fmt.Println(string(text))
	}
	return err
}

// showWithInfo prints a status together with what the runtime adds to it as JSON in strings.
func showWithInfo(status proto.Message, info map[string]string) error {
	values, err := generic(status)
	if err != nil {
		return err
	}
	more := parsed(info)
	if inner, found := more["info"].(map[string]interface{}); found {
		more = inner
	}
	return show(map[string]interface{}{"status": values, "info": more})
}

func parsed(info map[string]string) map[string]interface{} {
	values := map[string]interface{}{}
	for name, text := range info {
		var value interface{}
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		values[name] = value
	}
	return values
}

func table(heading string, rows [][]string) error {
	out := tabwriter.NewWriter(os.Stdout, 20, 1, 3, ' ', 0)
	fmt.Fprintln(out, heading)
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	return out.Flush()
}

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	if len(id) > 13 && !strings.Contains(id, "/") {
		return id[:13]
	}
	return id
}

func age(nanoseconds int64) string {
	return time.Since(time.Unix(0, nanoseconds)).Truncate(time.Second).String() + " ago"
}

func size(bytes uint64) string {
	if bytes >= 1e6 {
		return fmt.Sprintf("%.3gMB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.3gkB", float64(bytes)/1e3)
}
