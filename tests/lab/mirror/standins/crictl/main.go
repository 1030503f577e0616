// Stand-in for cri-tools' crictl 1.20.0 (lab only; Debian does not package it): the commands kubeadm 1.20 calls and those a
// person or a driver asks for, with the original's flags. Speaks CRI v1, or v1alpha2 to an older runtime: the two differ
// in the service's name only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/ioutil"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
	"sigs.k8s.io/yaml"
)

const version = "1.20.0"

type client struct {
	ctx     context.Context
	runtime cri.RuntimeServiceClient
	images  cri.ImageServiceClient
}

type command struct {
	run  func(c client, args []string) error
	help string
}

var commands = map[string]command{
	"version":  {(client).version, "the runtime's version"},
	"info":     {(client).info, "the runtime's conditions and configuration"},
	"ps":       {(client).containers, "list containers"},
	"pods":     {(client).pods, "list pods"},
	"images":   {(client).listImages, "list images"},
	"inspect":  {each((client).inspect), "one container"},
	"inspecti": {each((client).inspectImage), "one image"},
	"inspectp": {each((client).inspectPod), "one pod"},
	"pull":     {each((client).pull), "pull an image"},
	"rmi":      {(client).removeImages, "remove images"},
	"stop":     {(client).stop, "stop containers"},
	"rm":       {(client).remove, "remove containers"},
	"stopp":    {each((client).stopPod), "stop pods"},
	"rmp":      {(client).removePods, "remove pods"},
	"logs":     {(client).logs, "a container's log"},
}

var aliases = map[string]string{"container": "ps", "pod": "pods", "image": "images", "img": "images"}

// settings come from a flag, else the environment, else the configuration file.
type settings struct {
	Runtime string `json:"runtime-endpoint"`
	Image   string `json:"image-endpoint"`
	Timeout int    `json:"timeout"`
	Debug   bool   `json:"debug"`
}

func main() {
	var flags settings
	var config string
	var showVersion bool
	top := flag.NewFlagSet("crictl", flag.ExitOnError)
	top.Usage = usage
	either(top.StringVar, &flags.Runtime, os.Getenv("CONTAINER_RUNTIME_ENDPOINT"), "runtime-endpoint", "r")
	either(top.StringVar, &flags.Image, os.Getenv("IMAGE_SERVICE_ENDPOINT"), "image-endpoint", "i")
	either(top.StringVar, &config, "/etc/crictl.yaml", "config", "c")
	wait := top.Duration("timeout", 0, "")
	top.DurationVar(wait, "t", 0, "")
	top.BoolVar(&flags.Debug, "debug", false, "")
	top.BoolVar(&flags.Debug, "D", false, "")
	top.BoolVar(&showVersion, "version", false, "")
	top.BoolVar(&showVersion, "v", false, "")
	_ = top.Parse(os.Args[1:])
	if showVersion {
		fmt.Println("crictl version v" + version)
		return
	}
	name := top.Arg(0)
	if full, found := aliases[name]; found {
		name = full
	}
	chosen, found := commands[name]
	if !found {
		usage()
		if name != "" && name != "help" {
			die(fmt.Errorf("No help topic for '%s'", name))
		}
		return
	}
	endpoint, err := runtimeEndpoint(flags, config)
	die(err)
	if *wait == 0 {
		*wait = 5 * time.Second
	}
	connection, err := dial(endpoint, *wait)
	if err != nil {
		die(fmt.Errorf("connect: connect endpoint '%s', make sure you are running as root and the endpoint has been started: %v", endpoint, err))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute) // a pull may take long
	defer cancel()
	die(chosen.run(client{ctx, cri.NewRuntimeServiceClient(connection), cri.NewImageServiceClient(connection)}, top.Args()[1:]))
}

func runtimeEndpoint(flags settings, config string) (string, error) {
	endpoint := flags.Runtime
	if endpoint == "" {
		var file settings
		text, err := ioutil.ReadFile(config)
		if err == nil {
			err = yaml.Unmarshal(text, &file)
		}
		if err != nil && !os.IsNotExist(err) {
			return "", fmt.Errorf("config file %s: %v", config, err)
		}
		endpoint = file.Runtime
	}
	if endpoint == "" {
		endpoint = "unix:///run/containerd/containerd.sock"
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "unix://" + endpoint
	}
	return endpoint, nil
}

func dial(endpoint string, wait time.Duration) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return grpc.DialContext(ctx, endpoint, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithUnaryInterceptor(newestFirst),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
}

func newestFirst(ctx context.Context, method string, request, reply interface{}, connection *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := call(ctx, strings.Replace(method, "v1alpha2", "v1", 1), request, reply, connection, options...)
	if status.Code(err) == codes.Unimplemented {
		err = call(ctx, method, request, reply, connection, options...)
	}
	return err
}

// either gives a flag its long and its short name.
func either(define func(*string, string, string, string), target *string, value string, names ...string) {
	for _, name := range names {
		define(target, name, value, "")
	}
}

func each(one func(client, string) error) func(client, []string) error {
	return func(c client, args []string) error {
		set := flag.NewFlagSet("crictl", flag.ExitOnError)
		var ignored string
		either(set.StringVar, &ignored, "json", "output", "o")
		set.Bool("q", false, "")
		_ = set.Parse(args)
		if set.NArg() == 0 {
			return fmt.Errorf("ID cannot be empty")
		}
		for _, id := range set.Args() {
			if err := one(c, id); err != nil {
				return err
			}
		}
		return nil
	}
}

func usage() {
	fmt.Println("crictl", version, "(the lab's stand-in)")
	for name, command := range commands {
		fmt.Printf("  %-10s %s\n", name, command.help)
	}
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FATA[0000]", err)
		os.Exit(1)
	}
}
