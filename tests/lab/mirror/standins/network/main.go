// Stand-in for a network plug-in such as flannel's host-gw (lab only; Debian packages none): on every node it writes a CNI
// configuration with the node's own pod range, and keeps a route to every other node's range through that node's address.
package main

import (
	"context"
	"fmt"
	"io/ioutil"
	"log"
	"net"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	path   = "/etc/cni/net.d/10-lab.conflist"
	format = `{"cniVersion": "0.3.1", "name": "lab", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
`
)

func configure(node corev1.Node) {
	text := fmt.Sprintf(format, node.Spec.PodCIDR)
	if old, err := ioutil.ReadFile(path); err == nil && string(old) == text {
		return
	}
	// written beside and renamed: containerd reads the folder whenever something in it changes
	if err := ioutil.WriteFile(path+".new", []byte(text), 0644); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		log.Fatal(err)
	}
	log.Println("pods of this node:", node.Spec.PodCIDR)
}

func route(node corev1.Node) {
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return // the controller-manager has not given it a range yet
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			if err := netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: net.ParseIP(address.Address)}); err != nil {
				log.Println(node.Name, pods, address.Address, err)
			}
		}
	}
}

func main() {
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	api := kubernetes.NewForConfigOrDie(config)
	for ; ; time.Sleep(time.Second) {
		nodes, err := api.CoreV1().Nodes().List(context.Background(), metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			log.Println(err)
			continue
		}
		for _, node := range nodes.Items {
			switch {
			case node.Name != os.Getenv("NODE_NAME"):
				route(node)
			case node.Spec.PodCIDR != "":
				configure(node)
			}
		}
	}
}
