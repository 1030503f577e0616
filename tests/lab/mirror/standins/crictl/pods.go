package main

import (
	"flag"
	"fmt"
	"io/ioutil"
	"regexp"
	"strings"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
)

// filters are the flags that ps and pods have in common.
type filters struct {
	name, namespace, state, label, pod, output string
	quiet, all, latest                         bool
}

func parse(command string, args []string) (filters, string) {
	var f filters
	set := flag.NewFlagSet(command, flag.ExitOnError)
	set.StringVar(&f.name, "name", "", "")
	set.StringVar(&f.namespace, "namespace", "", "")
	either(set.StringVar, &f.state, "", "state", "s")
	set.StringVar(&f.label, "label", "", "")
	either(set.StringVar, &f.pod, "", "pod", "p")
	either(set.StringVar, &f.output, "table", "output", "o")
	for target, names := range map[*bool][]string{&f.quiet: {"quiet", "q"}, &f.all: {"all", "a", "force", "f"}, &f.latest: {"latest", "l"}} {
		for _, name := range names {
			set.BoolVar(target, name, false, "")
		}
	}
	set.Bool("no-trunc", false, "")
	_ = set.Parse(args)
	return f, set.Arg(0)
}

func (f filters) labels() map[string]string {
	if pair := strings.SplitN(f.label, "=", 2); len(pair) == 2 {
		return map[string]string{pair[0]: pair[1]}
	}
	return nil
}

// matches: a name is a regular expression to the original too.
func matches(pattern, name string) bool {
	found, err := regexp.MatchString(pattern, name)
	return err == nil && found
}

func (c client) containers(args []string) error {
	f, id := parse("ps", args)
	filter := &cri.ContainerFilter{Id: id, PodSandboxId: f.pod, LabelSelector: f.labels()}
	if value, known := cri.ContainerState_value["CONTAINER_"+strings.ToUpper(f.state)]; known {
		filter.State = &cri.ContainerStateValue{State: cri.ContainerState(value)}
	} else if !f.all && !f.latest {
		filter.State = &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}
	}
	reply, err := c.runtime.ListContainers(c.ctx, &cri.ListContainersRequest{Filter: filter})
	if err != nil {
		return err
	}
	kept := reply.Containers[:0]
	for _, container := range reply.Containers {
		if matches(f.name, container.Metadata.Name) {
			kept = append(kept, container)
		}
	}
	if f.latest && len(kept) > 1 {
		kept = kept[:1]
	}
	reply.Containers = kept
	if f.output == "json" {
		values, err := generic(reply)
		if err != nil {
			return err
		}
		return show(values)
	}
	var rows [][]string
	for _, x := range kept {
		if f.quiet {
			fmt.Println(x.Id)
			continue
		}
		rows = append(rows, []string{short(x.Id), short(x.Image.Image), age(x.CreatedAt), strings.Title(strings.ToLower(strings.TrimPrefix(x.State.String(), "CONTAINER_"))),
			x.Metadata.Name, fmt.Sprint(x.Metadata.Attempt), short(x.PodSandboxId)})
	}
	if f.quiet {
		return nil
	}
	return table("CONTAINER\tIMAGE\tCREATED\tSTATE\tNAME\tATTEMPT\tPOD ID", rows)
}

func (c client) pods(args []string) error {
	f, id := parse("pods", args)
	filter := &cri.PodSandboxFilter{Id: id, LabelSelector: f.labels()}
	if value, known := cri.PodSandboxState_value["SANDBOX_"+strings.ToUpper(f.state)]; known {
		filter.State = &cri.PodSandboxStateValue{State: cri.PodSandboxState(value)}
	}
	reply, err := c.runtime.ListPodSandbox(c.ctx, &cri.ListPodSandboxRequest{Filter: filter})
	if err != nil {
		return err
	}
	kept := reply.Items[:0]
	for _, pod := range reply.Items {
		if matches(f.name, pod.Metadata.Name) && matches(f.namespace, pod.Metadata.Namespace) {
			kept = append(kept, pod)
		}
	}
	reply.Items = kept
	if f.output == "json" {
		values, err := generic(reply)
		if err != nil {
			return err
		}
		return show(values)
	}
	var rows [][]string
	for _, x := range kept {
		if f.quiet {
			fmt.Println(x.Id)
			continue
		}
		rows = append(rows, []string{short(x.Id), age(x.CreatedAt), strings.Title(strings.ToLower(strings.TrimPrefix(x.State.String(), "SANDBOX_"))),
			x.Metadata.Name, x.Metadata.Namespace, fmt.Sprint(x.Metadata.Attempt)})
	}
	if f.quiet {
		return nil
	}
	return table("POD ID\tCREATED\tSTATE\tNAME\tNAMESPACE\tATTEMPT", rows)
}

// container and pod complete the beginning of an ID.
func (c client) container(id string) string {
	reply, err := c.runtime.ListContainers(c.ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{Id: id}})
	if err == nil && len(reply.Containers) == 1 {
		return reply.Containers[0].Id
	}
	return id
}

func (c client) pod(id string) string {
	reply, err := c.runtime.ListPodSandbox(c.ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{Id: id}})
	if err == nil && len(reply.Items) == 1 {
		return reply.Items[0].Id
	}
	return id
}

func (c client) inspect(id string) error {
	reply, err := c.runtime.ContainerStatus(c.ctx, &cri.ContainerStatusRequest{ContainerId: c.container(id), Verbose: true})
	if err != nil {
		return err
	}
	return showWithInfo(reply.Status, reply.Info)
}

func (c client) inspectPod(id string) error {
	reply, err := c.runtime.PodSandboxStatus(c.ctx, &cri.PodSandboxStatusRequest{PodSandboxId: c.pod(id), Verbose: true})
	if err != nil {
		return err
	}
	return showWithInfo(reply.Status, reply.Info)
}

func (c client) stop(args []string) error {
	set := flag.NewFlagSet("stop", flag.ExitOnError)
	timeout := set.Int64("timeout", 0, "")
	set.Int64Var(timeout, "t", 0, "")
	_ = set.Parse(args)
	for _, id := range set.Args() {
		if _, err := c.runtime.StopContainer(c.ctx, &cri.StopContainerRequest{ContainerId: c.container(id), Timeout: *timeout}); err != nil {
			return err
		}
		fmt.Println(id)
	}
	return nil
}

func (c client) remove(args []string) error {
	var force, all bool
	set := flag.NewFlagSet("rm", flag.ExitOnError)
	set.BoolVar(&force, "force", false, "")
	set.BoolVar(&force, "f", false, "")
	set.BoolVar(&all, "all", false, "")
	set.BoolVar(&all, "a", false, "")
	_ = set.Parse(args)
	ids := set.Args()
	if all {
		reply, err := c.runtime.ListContainers(c.ctx, &cri.ListContainersRequest{})
		if err != nil {
			return err
		}
		for _, container := range reply.Containers {
			ids = append(ids, container.Id)
		}
	}
	for _, id := range ids {
		full := c.container(id)
		if force {
			if _, err := c.runtime.StopContainer(c.ctx, &cri.StopContainerRequest{ContainerId: full}); err != nil {
				return err
			}
		}
		if _, err := c.runtime.RemoveContainer(c.ctx, &cri.RemoveContainerRequest{ContainerId: full}); err != nil {
			return err
		}
		fmt.Println(id)
	}
	return nil
}

func (c client) stopPod(id string) error {
	if _, err := c.runtime.StopPodSandbox(c.ctx, &cri.StopPodSandboxRequest{PodSandboxId: c.pod(id)}); err != nil {
		return err
	}
	fmt.Println("Stopped sandbox", id)
	return nil
}

func (c client) removePods(args []string) error {
	var force, all bool
	set := flag.NewFlagSet("rmp", flag.ExitOnError)
	set.BoolVar(&force, "force", false, "")
	set.BoolVar(&force, "f", false, "")
	set.BoolVar(&all, "all", false, "")
	set.BoolVar(&all, "a", false, "")
	_ = set.Parse(args)
	ids := set.Args()
	if all {
		reply, err := c.runtime.ListPodSandbox(c.ctx, &cri.ListPodSandboxRequest{})
		if err != nil {
			return err
		}
		for _, pod := range reply.Items {
			ids = append(ids, pod.Id)
		}
	}
	for _, id := range ids {
		if force {
			if err := c.stopPod(id); err != nil {
				return err
			}
		}
		if _, err := c.runtime.RemovePodSandbox(c.ctx, &cri.RemovePodSandboxRequest{PodSandboxId: c.pod(id)}); err != nil {
			return err
		}
		fmt.Println("Removed sandbox", id)
	}
	return nil
}

func (c client) logs(args []string) error {
	set := flag.NewFlagSet("logs", flag.ExitOnError)
	tail := set.Int("tail", -1, "")
	set.IntVar(tail, "n", -1, "")
	_ = set.Parse(args)
	reply, err := c.runtime.ContainerStatus(c.ctx, &cri.ContainerStatusRequest{ContainerId: c.container(set.Arg(0))})
	if err != nil {
		return err
	}
	text, err := ioutil.ReadFile(reply.Status.LogPath)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if *tail >= 0 && len(lines) > *tail {
		lines = lines[len(lines)-*tail:]
	}
	for _, line := range lines {
		if words := strings.SplitN(line, " ", 4); len(words) == 4 { // time, stream, flags, text
			fmt.Println(words[3])
		}
	}
	return nil
}

func (c client) version(_ []string) error {
	reply, err := c.runtime.Version(c.ctx, &cri.VersionRequest{Version: version})
	if err != nil {
		return err
	}
	fmt.Printf("Version:  %s\nRuntimeName:  %s\nRuntimeVersion:  %s\nRuntimeApiVersion:  %s\n", reply.Version, reply.RuntimeName, reply.RuntimeVersion, reply.RuntimeApiVersion)
	return nil
}

func (c client) info(_ []string) error {
	reply, err := c.runtime.Status(c.ctx, &cri.StatusRequest{Verbose: true})
	if err != nil {
		return err
	}
	values := parsed(reply.Info)
	if values["status"], err = generic(reply.Status); err != nil {
		return err
	}
	return show(values)
}
