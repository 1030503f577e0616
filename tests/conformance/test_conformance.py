"""The pure parts of `./dev conformance`: what is asked for, what is reported, and the table of it."""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubeon.bundle.store import Store
from tests.conformance import images, report, table, upstream
from tests.conformance.images import Made
from tests.conformance.run import ENDED, Run, Tools, command
from tests.conformance.table import FAILED, NOT_HERE, NOT_RUN, PASSED, Outcome, Reason, Reasons
from tests.lab.mirror import official
from tests.lab.mirror.image_builder import Entry, assemble, layer

A, B, C = "[sig-a] runs [Conformance]", "[sig-b] breaks it [Serial] [Conformance]", "[sig-c] sees (all) [Conformance]"
MANIFEST = """
	initRegistry = RegistryList{
		PromoterE2eRegistry:      "registry.k8s.io/e2e-test-images",
		GcRegistry:               "registry.k8s.io",
	}
	configs[Agnhost] = Config{list.PromoterE2eRegistry, "agnhost", "2.66.1"}
	configs[Pause] = Config{list.GcRegistry, "pause", "3.10.2"}
"""


class TestUpstream:
    def test_names_are_what_e2e_test_calls_them(self) -> None:
        text = f"- testname: B\n  codename: '{B}'\n- testname: A\n  codename: '[sig-a] runs\n    [Conformance]'\n"
        assert upstream.names(text) == [A, B]

    def test_images_by_their_names_in_the_source(self) -> None:
        assert upstream.references(MANIFEST) == {
            "Agnhost": "registry.k8s.io/e2e-test-images/agnhost:2.66.1",
            "Pause": "registry.k8s.io/pause:3.10.2",
        }

    def test_what_wants_the_cluster_for_itself(self) -> None:
        assert [upstream.is_serial(name) for name in (A, B, "evicts [Disruptive]")] == [False, True, True]


def spec(state: str, *texts: str, message: str = "", node: str = "It") -> dict[str, Any]:
    """As Ginkgo writes it."""
    *containers, leaf = texts or ("",)
    found = {"ContainerHierarchyTexts": containers, "LeafNodeType": node, "LeafNodeText": leaf, "State": state}
    return found | ({"Failure": {"Message": message}} if message else {})


class TestReport:
    def test_outcomes(self) -> None:
        specs = [
            spec("passed", "[sig-a]", "runs [Conformance]"),
            spec("failed", "[sig-b] breaks it", "[Serial] [Conformance]", message="expected\n    2 to equal 3\n"),
            spec("skipped", "c", message="needs 2 nodes"),
            spec("skipped", "not asked for"),
            spec("timedout", "d"),
            spec("interrupted", "e", message="by the user"),
        ]
        assert report.outcomes([{"SpecReports": specs}]) == {
            A: Outcome(PASSED),
            B: Outcome(FAILED, "expected 2 to equal 3"),
            "c": Outcome(NOT_HERE, "needs 2 nodes"),
            "d": Outcome(FAILED, "timedout"),
        }

    def test_what_goes_wrong_beside_the_tests_is_a_problem(self) -> None:
        specs = [spec("failed", node="SynchronizedBeforeSuite", message="no node is ready"), spec("failed", "a")]
        assert report.problems([{"SpecReports": specs}, {"SpecReports": None}]) == [
            "SynchronizedBeforeSuite: no node is ready"
        ]

    def test_a_long_message_is_cut(self) -> None:
        assert len(report.reason("word " * 1000)) < 310


class TestTable:
    def test_a_run_replaces_what_it_ran(self) -> None:
        known = {A: Outcome(FAILED, "then"), B: Outcome(PASSED), "gone": Outcome(PASSED)}
        assert table.merged([A, B, C], known, {A: Outcome(PASSED)}, Reasons()) == {
            A: Outcome(PASSED),
            B: Outcome(PASSED),
            C: Outcome(NOT_RUN),
        }

    def test_reasons_of_today_take_the_place_of_messages(self) -> None:
        why = Reasons((Reason("sees", "no eyes"),), (Reason("^.sig-[ab]", "a bug of the lab"),))
        found = table.merged([A, B, C], {}, {A: Outcome(FAILED, "message"), B: Outcome(PASSED)}, why)
        assert found == {A: Outcome(FAILED, "a bug of the lab"), B: Outcome(PASSED), C: Outcome(NOT_HERE, "no eyes")}

    def test_what_is_written_can_be_read(self) -> None:
        rows = {A: Outcome(PASSED), B: Outcome(FAILED, "it: broke"), C: Outcome(NOT_RUN)}
        text = table.dump(rows, {"release": "v1.37.2"})
        assert table.load(text) == rows
        assert "count:\n  passed: 1\n  failed: 1\n  not run: 1\n" in text

    def test_the_lists_of_the_file(self) -> None:
        text = '[[not-here]]\ntest = "a"\nwhy = "b"\n[[failed]]\ntest = "c"\nwhy = "d"\n'
        assert table.reasons(text) == Reasons((Reason("a", "b"),), (Reason("c", "d"),))
        table.reasons(table.REASONS.read_text())


class TestRun:
    def test_which_tests_are_meant(self) -> None:
        run = Run("v1", [A, B, C], {A: Outcome(PASSED)}, Reasons((Reason("breaks", "it cannot be broken"),)))
        assert run.chosen("", "", None, None) == [A, C]
        assert run.chosen("sig-[ab]", "", None, None) == [A]
        assert run.chosen("", "sees", None, None) == [A]
        assert run.chosen("", "", NOT_RUN, None) == [C]
        assert run.chosen("", "", None, 1) == [A]

    def test_just_these_tests_are_named(self, tmp_path: Path) -> None:
        tools = Tools(Path("/built"), Path("/kubectl"), Path("/config"))
        words = command(tools, [A, C], 3, tmp_path)
        assert words[0] == "/built/ginkgo"
        assert "--procs=3" in words
        assert r"--focus= (?:\[sig\-a\]\ runs\ \[Conformance\]|\[sig\-c\]\ sees\ \(all\)\ \[Conformance\])$" in words
        assert words[words.index("--") - 1] == "/built/e2e.test"

    def test_what_is_reported_goes_into_the_table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With a program in Ginkgo's place, which takes a while."""
        monkeypatch.setenv("KUBEON_LAB_CACHE", str(tmp_path))
        monkeypatch.setattr(table, "table_of", lambda release: tmp_path / f"{release}.yaml")
        monkeypatch.setattr("tests.conformance.run.EVERY", 0.1)
        built = tmp_path / "built"
        built.mkdir()
        (built / "ginkgo").write_text(
            f"#!{sys.executable}\n"
            "import json, time\n"
            f"print({ENDED!r}, flush=True)\n"
            "time.sleep(1)\n"
            f"report = {[{'SpecReports': [spec('passed', A), spec('failed', C, message='blind')]}]}\n"
            "open('report.json', 'w').write(json.dumps(report))\n"
        )
        (built / "ginkgo").chmod(0o755)
        said: list[str] = []
        run = Run("v1", [A, B, C], {}, Reasons(), said.append)
        assert run.carry_out([A, C], Tools(built, Path("/kubectl"), Path("/config")), 2) == 1
        expected = {A: Outcome(PASSED), B: Outcome(NOT_RUN), C: Outcome(FAILED, "blind")}
        assert table.load((tmp_path / "v1.yaml").read_text()) == expected
        assert "1 of 2 have ended" in said
        assert said[-2:] == ["this run: 1 passed, 1 failed, of 2", "the table: 1 passed, 1 failed, 1 not run"]


class TestImages:
    def test_busybox_stands_in_for_what_is_not_there(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        files = {"usr/bin/busybox": Entry(b"box"), "usr/bin/dig": Entry(b"dig"), "usr/sbin/ip": Entry(b"ip")}
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"of": "base"}}}
        base = assemble(store, "localhost/base:1", "amd64", layer(files), config)
        what = Made(("busybox-static",), {"agnhost": Entry(b"agnhost", 0o4755)}, ("/agnhost",), ("pause",))
        image = official.as_image(images.build(store, "example.org/agnhost:2", what, base, ["cat", "dig", "ip"]))

        manifest = json.loads(image.manifest)
        inner = json.loads(image.blobs[manifest["config"]["digest"]])["config"]
        assert (inner["Entrypoint"], inner["Cmd"]) == (["/agnhost"], ["pause"])
        assert inner["Labels"] == {"of": "base", official.LABEL: "example.org/agnhost:2"}
        _, top = (image.blobs[each["digest"]] for each in manifest["layers"])
        with tarfile.open(fileobj=io.BytesIO(top)) as archive:
            modes = {info.name: oct(info.mode) for info in archive}
            assert modes == {
                "agnhost": "0o4755",
                "tmp": "0o1777",
                "usr": "0o755",
                "usr/bin": "0o755",
                "usr/bin/cat": "0o777",
            }
            assert archive.getmember("usr/bin/cat").linkname == "busybox"

    def test_two_names_are_two_images(self, tmp_path: Path) -> None:
        """A node would call the one by the other's name."""
        made = [images.build(Store(tmp_path), f"example.org/nginx:{tag}", Made(), None, []) for tag in (1, 2)]
        assert made[0].digest != made[1].digest
