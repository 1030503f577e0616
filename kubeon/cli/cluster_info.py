"""kubeon cluster-info"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.cluster_info_value import cluster_info_value
from kubeon.cli.description import read_secrets
from kubeon.cli.flags import secret_flags
from kubeon.console.cluster_info import cluster_info_line, cluster_info_text
from kubeon.operations import cluster_info as operation
from kubeon.waiting import SYSTEM_CLOCK

EXIT_CODES = {"healthy": 0, "degraded": 8, "down": 9}  # none of them an error of kubeon's own: see kubeon.errors


@click.command("cluster-info")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="list every node of a large cluster, also those that are well")
@click.option(
    "--watch",
    type=click.FloatRange(1, 86400),
    metavar="SECONDS",
    is_flag=False,
    flag_value=5.0,
    help="look again and again, with so long between; Ctrl-C ends it. Default of SECONDS: 5",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 600),
    metavar="SECONDS",
    help="for all hosts together; who has not answered by then is told. Default: 8; from 100 hosts on 0.08 for each",
)
@click.option("--parallel", type=click.IntRange(1, 1000), default=100, show_default=True, help="hosts at once")
@secret_flags
@common_options
@pass_app
def cluster_info(
    app: App,
    /,
    name: str | None,
    *,
    every: bool,
    watch: float | None,
    timeout: float | None,
    parallel: int,
    **flags: Any,
) -> int:
    """Say whether a cluster is healthy, degraded or down, and why. Changes nothing, and waits for no lock.

    NAME may be left out for the current cluster. Exit code: 0 healthy (with warnings, too), 8 degraded, 9 down.

    \b
    kubeon cluster-info demo
    kubeon cluster-info demo --watch 10
    """
    options = operation.Options(read_secrets(flags, app.console), timeout, parallel)
    lookout = operation.Lookout(app.cluster(name), options, app.home)
    verdict = ""
    try:
        while True:
            info = operation.cluster_info(lookout)
            value, verdict = cluster_info_value(info), info.verdict.value
            text = cluster_info_text(value, every=every)
            if watch is None:
                app.console.data(value, text)
                break
            app.console.refresh(value, text, cluster_info_line(value))
            SYSTEM_CLOCK.sleep(watch)
    except KeyboardInterrupt:
        if not verdict or watch is None:
            raise
    finally:
        lookout.close()
    return EXIT_CODES[verdict]
