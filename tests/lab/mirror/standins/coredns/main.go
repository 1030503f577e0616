// Stand-in for CoreDNS 1.7.0 (lab only; Debian does not package it): answers A for NAME.NAMESPACE.svc.cluster.local from
// the API, NXDOMAIN for the rest, and has the health, readiness and metrics addresses that kubeadm's Deployment probes.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/miekg/dns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const zone = ".svc.cluster.local."

type server struct{ api kubernetes.Interface }

// clusterIP looks a Service up. kubeadm's role for CoreDNS has list and watch, not get.
func (s server) clusterIP(namespace, name string) (net.IP, bool) {
	if s.api == nil {
		return nil, false
	}
	list, err := s.api.CoreV1().Services(namespace).List(context.Background(), metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil || len(list.Items) != 1 {
		return nil, false
	}
	return net.ParseIP(list.Items[0].Spec.ClusterIP), true
}

func (s server) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetRcode(query, dns.RcodeNameError)
	reply.Authoritative = true
	if len(query.Question) == 1 {
		question := query.Question[0]
		name := strings.ToLower(question.Name)
		labels := strings.Split(strings.TrimSuffix(name, zone), ".")
		if strings.HasSuffix(name, zone) && len(labels) == 2 {
			if ip, found := s.clusterIP(labels[1], labels[0]); found {
				reply.Rcode = dns.RcodeSuccess
				if ip != nil && question.Qtype == dns.TypeA {
					header := dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}
					reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: ip})
				}
			}
		}
	}
	if err := w.WriteMsg(reply); err != nil {
		log.Println(err)
	}
}

func main() {
	flag.String("conf", "Corefile", "accepted as the original does; not read")
	flag.Parse()
	var answers server
	if config, err := rest.InClusterConfig(); err == nil {
		answers.api = kubernetes.NewForConfigOrDie(config)
	} else { // the original runs without a configuration too, and knows no names then
		log.Println("no API: ", err)
	}
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("OK")) })
	for _, address := range []string{":8080", ":8181", ":9153"} { // health, ready, metrics
		go func(address string) { log.Fatal(http.ListenAndServe(address, ok)) }(address)
	}
	go func() { log.Fatal(dns.ListenAndServe(":53", "tcp", answers)) }()
	log.Println("the lab's stand-in for CoreDNS is up")
	log.Fatal(dns.ListenAndServe(":53", "udp", answers))
}
