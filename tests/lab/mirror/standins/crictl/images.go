package main

import (
	"flag"
	"fmt"
	"strings"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
)

func (c client) listImages(args []string) error {
	var output string
	var quiet bool
	set := flag.NewFlagSet("images", flag.ExitOnError)
	either(set.StringVar, &output, "table", "output", "o")
	set.BoolVar(&quiet, "quiet", false, "")
	set.BoolVar(&quiet, "q", false, "")
	set.Bool("no-trunc", false, "")
	set.Bool("digests", false, "")
	_ = set.Parse(args)
	reply, err := c.images.ListImages(c.ctx, &cri.ListImagesRequest{Filter: &cri.ImageFilter{Image: &cri.ImageSpec{Image: set.Arg(0)}}})
	if err != nil {
		return err
	}
	if output == "json" {
		values, err := generic(reply)
		if err != nil {
			return err
		}
		// later originals tell whether the runtime keeps an image from garbage collection; this CRI does not say it yet
		for _, image := range values["images"].([]interface{}) {
			image.(map[string]interface{})["pinned"] = false
		}
		return show(values)
	}
	var rows [][]string
	for _, image := range reply.Images {
		if quiet {
			fmt.Println(image.Id)
			continue
		}
		tags := image.RepoTags
		if len(tags) == 0 {
			tags = []string{"<none>:<none>"}
		}
		for _, tag := range tags {
			colon := strings.LastIndex(tag, ":")
			rows = append(rows, []string{tag[:colon], tag[colon+1:], short(image.Id), size(image.Size_)})
		}
	}
	if quiet {
		return nil
	}
	return table("IMAGE\tTAG\tIMAGE ID\tSIZE", rows)
}

func (c client) inspectImage(name string) error {
	reply, err := c.images.ImageStatus(c.ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}, Verbose: true})
	if err != nil {
		return err
	}
	if reply.Image == nil {
		return fmt.Errorf("no such image %q present", name)
	}
	return showWithInfo(reply.Image, reply.Info)
}

func (c client) pull(name string) error {
	reply, err := c.images.PullImage(c.ctx, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: name}})
	if err != nil {
		return fmt.Errorf("pulling image: %v", err)
	}
	fmt.Println("Image is up to date for", reply.ImageRef)
	return nil
}

func (c client) removeImages(args []string) error {
	var all, prune bool
	set := flag.NewFlagSet("rmi", flag.ExitOnError)
	set.BoolVar(&all, "all", false, "")
	set.BoolVar(&all, "a", false, "")
	set.BoolVar(&prune, "prune", false, "")
	set.BoolVar(&prune, "q", false, "")
	_ = set.Parse(args)
	names := set.Args()
	if all || prune {
		used := map[string]bool{}
		if prune {
			containers, err := c.runtime.ListContainers(c.ctx, &cri.ListContainersRequest{})
			if err != nil {
				return err
			}
			for _, container := range containers.Containers {
				used[container.ImageRef] = true
			}
		}
		reply, err := c.images.ListImages(c.ctx, &cri.ListImagesRequest{})
		if err != nil {
			return err
		}
		for _, image := range reply.Images {
			if !used[image.Id] {
				names = append(names, image.Id)
			}
		}
	}
	for _, name := range names {
		status, err := c.images.ImageStatus(c.ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
		if err != nil {
			return err
		}
		if status.Image == nil {
			return fmt.Errorf("no such image %s", name)
		}
		if _, err := c.images.RemoveImage(c.ctx, &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: name}}); err != nil {
			return err
		}
		for _, tag := range status.Image.RepoTags {
			fmt.Println("Deleted:", tag)
		}
	}
	return nil
}
