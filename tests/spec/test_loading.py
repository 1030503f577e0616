"""cluster.yaml, flags and --set become one mapping, and every mistake in it is named in plain words."""

from typing import Any

import jsonschema
import pytest

from kubeon.errors import SpecError, UsageError
from kubeon.spec.loading import apply_sets, build_spec, dump_spec, json_schema, load_file
from kubeon.spec.model import ClusterSpec


def a_mapping(**fields: Any) -> dict[str, Any]:
    """A small cluster that is right, with `fields` on top."""
    nodes = [{"address": "10.0.0.1", "role": "control-plane"}, {"address": "10.0.0.2", "role": "worker"}]
    return {"name": "demo", "version": "v1.34.2", "nodes": nodes, **fields}


def problems(mapping: dict[str, Any], **options: Any) -> dict[str, str]:
    """What build_spec complains about, by path."""
    with pytest.raises(SpecError) as caught:
        build_spec(mapping, **options)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("fields", "path", "text"),
    [
        ({"name": "Demo_"}, "name", "'Demo_' must be lower-case letters"),
        ({"name": 7}, "name", "7 must be text; write it in quotes"),
        ({"version": "1.34"}, "version", "write it as v1.34.2"),
        ({"version": "v1.35.0-gke.1"}, "version", "is not a Kubernetes release"),
        ({"version": None}, "version", "is required"),
        ({"nodes": []}, "nodes", "must not be empty"),
        ({"nodes": "10.0.0.1"}, "nodes", "'10.0.0.1' must be a list"),
        ({"nodes": ["10.0.0.1"]}, "nodes.0", "must be a mapping"),
        ({"nodes": [{"address": "cp1", "role": "control-plane"}]}, "nodes.0.address", "'cp1' is not an IPv4 address"),
        ({"nodes": [{"address": "fd00::1", "role": "worker"}]}, "nodes.0.address", "IPv6 is not supported yet"),
        ({"nodes": [{"address": 10, "role": "worker"}]}, "nodes.0.address", "10 is not text"),
        ({"nodes": [{"address": "127.0.0.1", "role": "control-plane"}]}, "nodes.0.address", "loopback"),
        (
            {"nodes": [{"address": "224.0.0.1", "role": "control-plane"}]},
            "nodes.0.address",
            "not the address of a host",
        ),
        ({"nodes": [{"adress": "10.0.0.1", "role": "worker"}]}, "nodes.0.adress", "did you mean address?"),
        ({"nodes": [{"address": "10.0.0.1", "role": "master"}]}, "nodes.0.role", "did you mean control-plane?"),
        ({"nodes": [{"address": "10.0.0.1", "role": "worker"}]}, "nodes", "no control plane"),
        ({"networks": {}}, "networks", "did you mean networking?"),
        ({"networking": {"pod_subnet": "10.1.0.0/16"}}, "networking.pod_subnet", "did you mean podSubnet?"),
        ({"networking": {"podSubnet": "10.1.2.3/16"}}, "networking.podSubnet", "the network is 10.1.0.0/16"),
        ({"networking": {"podSubnet": "10.0.0.0/8"}}, "networking.podSubnet", "overlaps networking.serviceSubnet"),
        ({"networking": {"podSubnet": "10.0.0.0/16"}}, "nodes.0.address", "lies in networking.podSubnet"),
        ({"networking": {"nodeMaskSize": "big"}}, "networking.nodeMaskSize", "'big' must be a whole number"),
        ({"networking": {"nodeMaskSize": 30}}, "networking.nodeMaskSize", "30 must be at most 28"),
        ({"networking": {"podSubnet": "10.1.0.0/24"}}, "networking.nodeMaskSize", "no room for 2 nodes"),
        ({"networking": 3}, "networking", "3 must be a mapping"),
        ({"loadBalancer": {"mode": "external"}}, "loadBalancer.address", "host:port"),
        ({"loadBalancer": {"address": "10.0.0.9"}}, "loadBalancer.address", "must be host:port"),
        ({"certificates": {"validity": "forever"}}, "certificates.validity", "is not a duration"),
        ({"certificates": {"sans": ["a b"]}}, "certificates.sans.0", "neither a DNS name nor"),
        ({"sources": {"mirror": "mirror.example.org"}}, "sources.mirror", "is not a base URL"),
        ({"sources": {"mirror": "https://u:secret@m.example.org"}}, "sources.mirror", "must not hold a password"),
        ({"sources": {"registry": "https://a b"}}, "sources.registry", "is not a registry"),
        ({"ssh": {"key": "~/.ssh/id.pub"}}, "ssh.key", "is a public key"),
        ({"ssh": {"port": 70000}}, "ssh.port", "at most 65535"),
        ({"ssh": {"user": "-oProxyCommand=x"}}, "ssh.user", "is not a login name"),
        ({"ssh": {"jump": "a@b@c"}}, "ssh.jump", "[user@]host[:port]"),
        ({"schedulableControlPlanes": "perhaps"}, "schedulableControlPlanes", "must be true or false"),
        ({"extraArgs": {"apiServer": {"--v": "4"}}}, "extraArgs.apiServer.--v", "without dashes"),
        ({"networking": {"serviceSubnet": "10.96.0.0/29"}}, "networking.serviceSubnet", "between a /12 and a /28"),
        ({"networking": {"serviceSubnet": "172.0.0.0/8"}}, "networking.serviceSubnet", "between a /12 and a /28"),
        ({"hosts": {"swap": False}}, "hosts.swap", "false must be off or keep"),
    ],
)
def test_a_mistake_is_named_with_its_path(fields: dict[str, Any], path: str, text: str) -> None:
    """Paths are those of cluster.yaml, and the words need no knowledge of pydantic."""
    found = problems(a_mapping(**fields))

    assert text in found[path]


def test_labels_follow_kubernetes_syntax() -> None:
    """Keys and values that the API server would refuse are refused before anything is touched."""
    labels = {"bad key": "x", "example.org/disk": "s s d", "ratio": 1.5}
    found = problems(a_mapping(nodes=[{"address": "10.0.0.1", "role": "control-plane", "labels": labels}]))

    assert sorted(found) == ['nodes.0.labels."example.org/disk"', "nodes.0.labels.bad key", "nodes.0.labels.ratio"]
    assert "write it in quotes" in found["nodes.0.labels.ratio"]


def test_every_problem_comes_at_once() -> None:
    """Fields that cannot be read do not hide the rules that join the others."""
    nodes = [
        {"address": "10.0.0.1", "role": "master"},
        {"address": "10.0.0.2", "role": "worker", "name": "w1"},
        {"address": "10.0.0.2", "role": "worker", "name": "w1"},
    ]
    mapping = a_mapping(name="A", nodes=nodes, networking={"podSubnet": "10.96.0.0/16", "plugin": "brige"})

    found = problems(mapping, choices={"networking.plugin": ["bridge", "none"]})

    assert list(found) == [
        "name",
        "nodes.0.role",
        "nodes.2.address",
        "nodes.2.name",
        "networking.podSubnet",
        "networking.plugin",
    ]
    assert found["networking.plugin"] == "'brige' must be bridge or none; did you mean bridge?"


def test_no_problem_is_drawn_from_what_could_not_be_read() -> None:
    """An unreadable pod network is one problem, not also an overlap of the default it would have replaced."""
    found = problems(a_mapping(networking={"podSubnet": "many", "serviceSubnet": "10.244.0.0/16"}))

    assert list(found) == ["networking.podSubnet"]


def test_empty_sections_are_not_given() -> None:
    """`ssh:` with nothing below it is what editing by hand leaves."""
    spec = build_spec(a_mapping(ssh=None, networking={"plugin": None}))

    assert spec == build_spec(a_mapping())


def test_plain_words_stay_text() -> None:
    """YAML 1.1 reads off as false, 010 as eight and 12:30 as 750; here they are what was typed."""
    mapping = load_file("swap: off\nzero: 010\ntime: 12:30\nday: 2026-01-31\nyes: no\n", "x.yaml")

    assert mapping == {"swap": "off", "zero": "010", "time": "12:30", "day": "2026-01-31", "yes": "no"}


def test_flags_and_labels_may_be_numbers_and_booleans() -> None:
    """`v: 4` and `debug: true` are text in Kubernetes; there is one way to mean them."""
    spec = build_spec(a_mapping(extraArgs={"apiServer": {"v": 4, "profiling": False}}))

    assert dict(spec.extra_args.api_server) == {"v": "4", "profiling": "false"}


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("name: a\nversion: b\nname: c\n", "x.yaml:3", "'name' stands on line 1 already"),
        ("- a\n", "x.yaml", "must be a mapping"),
        ("", "x.yaml", "must be a mapping"),
        ("a: [", "x.yaml:1", "expected the node content"),
        ("a: !!python/object/apply:os.system [x]", "x.yaml:1", "could not determine a constructor"),
        ("ssh:\n  password: x\n", "ssh.password", "never stored"),
        ("nodes:\n- {sudoPassword: x}\n", "nodes.0.sudoPassword", "never stored"),
    ],
)
def test_a_bad_file_is_refused(text: str, path: str, problem: str) -> None:
    """With the line where there is one."""
    with pytest.raises(SpecError) as caught:
        load_file(text, "x.yaml")

    assert caught.value.problems[0][0] == path
    assert problem in caught.value.problems[0][1]


def test_a_password_is_not_repeated_in_its_error() -> None:
    """Neither in the message nor in the hint."""
    with pytest.raises(SpecError) as caught:
        load_file("ssh: {passwd: hunter22}", "x.yaml")

    assert "hunter22" not in str(caught.value) + caught.value.hint
    assert "--ask-password" in caught.value.hint


def test_sets_reach_every_field() -> None:
    """Lists are counted from 0, keys with dots are quoted or escaped, values are YAML, the original stays."""
    mapping = a_mapping()

    changed = apply_sets(
        mapping,
        [
            "networking.podSubnet=10.1.0.0/16",
            "nodes.1.labels.disk=ssd",
            'nodes.1.labels."example.org/gpu"=true',
            "nodes.1.labels.example\\.org/zone=a",
            "certificates.sans=[a.example.org, 10.0.0.9]",
            "nodes.2.address=10.0.0.3",
            "nodes.2.role=worker",
        ],
    )

    spec = build_spec(changed)
    assert str(spec.networking.pod_subnet) == "10.1.0.0/16"
    assert spec.nodes[1].labels == {"disk": "ssd", "example.org/gpu": "true", "example.org/zone": "a"}
    assert spec.certificates.sans == ("a.example.org", "10.0.0.9")
    assert str(spec.nodes[2].address) == "10.0.0.3"
    assert mapping == a_mapping()


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", "nodes.7.name=x", "nodes.first.name=x", "version.major=1"])
def test_a_bad_set_is_a_usage_error(text: str) -> None:
    """It never reaches the spec."""
    with pytest.raises(UsageError, match="--set"):
        apply_sets(a_mapping(), [text])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kubelet": {"maxPods": 200, "evictionHard": {"memory.available": "5%"}, "odd": None, "text": "1e3"}},
        {"hosts": {"swap": "keep"}, "certificates": {"sans": ["a.example.org"], "validity": "1y"}},
        {"nodes": [{"address": "10.0.0.1", "role": "control-plane", "labels": {"a": "010", "b": "true", "c": "1.5"}}]},
        {"ssh": {"user": "admin", "port": 2222, "strictHostKeys": True}, "schedulableControlPlanes": True},
    ],
)
def test_a_dumped_spec_loads_again(fields: dict[str, Any]) -> None:
    """What is stored is what was meant, also where YAML readers disagree."""
    spec = build_spec(a_mapping(**fields))

    text = dump_spec(spec)

    assert build_spec(load_file(text, "again")) == spec
    assert text.startswith("# ")


def test_a_dumped_spec_holds_no_defaults() -> None:
    """Name, version and nodes first; nothing that kubeon would choose anyway."""
    text = dump_spec(build_spec(a_mapping(networking={"plugin": "bridge", "podSubnet": "10.1.0.0/16"})))

    assert text.split("\n", 1)[1] == (
        "name: demo\nversion: v1.34.2\nnodes:\n"
        "  - address: 10.0.0.1\n    role: control-plane\n"
        "  - address: 10.0.0.2\n    role: worker\n"
        "networking:\n  podSubnet: 10.1.0.0/16\n"
    )


def test_the_schema_accepts_what_kubeon_writes_and_refuses_typos() -> None:
    """An editor with the schema agrees with kubeon."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    assert validator.is_valid(a_mapping(networking={"podSubnet": "10.1.0.0/16"}))
    assert not validator.is_valid(a_mapping(networking={"pod_subnet": "10.1.0.0/16"}))
    assert "2020-12" in schema["$schema"]


def test_every_field_is_described() -> None:
    """The schema is documentation: a field without a word is a field nobody can use."""
    schema = json_schema()
    silent = [
        f"{kind}.{name}"
        for kind, model in {"ClusterSpec": schema, **schema["$defs"]}.items()
        for name, field in model.get("properties", {}).items()
        if not field.get("description")
    ]

    assert silent == []


def test_python_names_still_work() -> None:
    """Only files are held to camelCase; code builds specs with Python's names."""
    node = {"address": "10.0.0.1", "role": "control-plane"}
    spec = ClusterSpec.model_validate({"name": "a", "version": "v1.34.2", "nodes": [node], "load_balancer": {}})

    assert spec.load_balancer.mode == "haproxy"
