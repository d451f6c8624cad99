"""The demo of `deploy/` as far as it goes without Docker: its files fit each other and SoftCore."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from softcore_benchmarks.line.rig.postgres_server import PASSWORD, PostgresServer, find_postgres
from softcore_edge_app.configuration.configuration import read_configuration
from softcore_edge_app.configuration.options import PostgresOptions
from softcore_edge_app.outputs.postgres.postgres import PostgresCopy

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MADE = "../demo/bundles/pill"  # by `make demo`


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def list_targets() -> list[dict[str, str]]:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return [target for panel in board["panels"] for target in panel["targets"]]


def test_all_that_is_mounted_is_there_and_no_port_is_open_to_the_network() -> None:
    composed = read("compose.yaml")
    assert composed["services"].keys() == {"line", "broker", "database", "prometheus", "grafana"}
    for service in composed["services"].values():
        assert {"image", "build"} & service.keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for place in service.get("volumes", []):
            outside, inside = place.split(":")[:2]
            assert inside.startswith("/")
            if outside.startswith("."):
                assert outside == MADE or (DEPLOY / outside).exists(), outside
            else:
                assert outside in composed["volumes"]
    build = composed["services"]["line"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_the_line_names_the_services() -> None:
    services = read("compose.yaml")["services"]
    line = read_configuration(DEPLOY / "line.toml")
    assert line.mqtt
    assert line.postgres
    assert line.http
    assert {line.mqtt.host, line.postgres.host} <= services.keys()
    environment = services["database"]["environment"]
    assert line.postgres.user == environment["POSTGRES_USER"]
    assert line.postgres.database == environment["POSTGRES_DB"]
    assert services["line"]["environment"]["PGPASSWORD"] == environment["POSTGRES_PASSWORD"]
    (target,) = read("prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in services
    assert host in line.http.names  # else the port refuses to answer by that name
    assert int(port) == line.http.port


def test_the_dashboard_asks_sources_that_there_are_for_metrics_that_there_are() -> None:
    known = {one["uid"] for one in read("grafana/datasources.yaml")["datasources"]}
    metrics = (ROOT / "edge_app/softcore_edge_app/health/metrics.py").read_text()
    for target in list_targets():
        assert target["datasource"]["uid"] in known  # type: ignore[index]
        for name in re.findall(r"softcore_\w+", target.get("expr", "")):
            assert f'"{name.removesuffix("_bucket")}"' in metrics


@pytest.mark.skipif(not find_postgres(), reason="needs PostgreSQL's server: apt install postgresql")
def test_each_query_of_the_dashboard_and_of_the_docs_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (ROOT / "docs/how-to/connect-a-database.md").read_text()
    queries = [target["rawSql"] for target in list_targets() if "rawSql" in target]
    assert len(queries) > 5
    queries += re.findall(r"```sql\n(-- parts.*?)```", page, re.DOTALL)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with PostgresServer() as server:
        copy = PostgresCopy(PostgresOptions(host="127.0.0.1", port=server.port, line="demo"))
        copy.find_position()
        copy.close()
        for query in queries:
            asked = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '1h' AND now()", query)
            server.ask(asked.replace("$line", "'demo'"), database="softcore")
