"""The dashboards against Grafana's own schema: the types of the newest Grafana, and the models of an older one.

``tsc`` compiles every panel against the types that Grafana's panels are written with (``@grafana/schema``), where a key
too many or a value that is none of those allowed is an error. The models of the Grafana Foundation SDK read the JSON
and write it again: what they do not know is lost, and found missing.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.alerting import RuleGroup
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.dashboards.boards import FILES, FOLDER, File
from tests.support.node import node, npm_packages

LOCK = Path(__file__).with_name("types") / "package-lock.json"
KINDS = {
    "bargauge": "bargauge/panelcfg/x/BarGaugePanelCfg_types.gen",
    "stat": "stat/panelcfg/x/StatPanelCfg_types.gen",
    "state-timeline": "statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen",
    "table": "table/panelcfg/x/TablePanelCfg_types.gen",
    "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen",
}
_HEAD = """
import type { AnnotationQuery, Dashboard, Panel, RowPanel } from '@grafana/schema';

/** A type as JSON has it: the members of an enumeration as their values. */
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Array<Plain<U>> : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
/** A panel of a kind; what the kind says of options and fields, and nothing that it does not. */
type Kind<O, F> = Plain<Omit<Panel, 'options' | 'fieldConfig' | 'targets'>> & {
  targets: Array<Record<string, unknown>>;
  options: Plain<O>;
  fieldConfig: {
    defaults: Omit<Plain<NonNullable<Panel['fieldConfig']>['defaults']>, 'custom'> & { custom?: Plain<F> };
    overrides: Plain<NonNullable<Panel['fieldConfig']>['overrides']>;
  };
};
"""


_BOARD = """
/** A board without what is compiled elsewhere: its panels, and queries, which are the plugins' own. */
type Board = Plain<Omit<Dashboard, 'panels' | 'annotations'>> & {
  annotations: { list: Array<Plain<Omit<AnnotationQuery, 'target'>> & { target: Record<string, unknown> }> };
  panels: unknown[];
};
"""


def _program(kind: str) -> str:
    """Write all panels of a kind as constants of its type."""
    module = f"@grafana/schema/dist/esm/raw/composable/{KINDS[kind]}"
    fields = "cfg.FieldConfig" if kind in ("timeseries", "state-timeline", "table") else "never"
    lines = [_HEAD, f"import type * as cfg from '{module}';"]
    for file in FILES:
        for panel in file.panels():
            if panel["type"] == kind:
                name = f"p{panel['id']}_{file.id.replace('-', '_')}"
                lines.append(f"export const {name}: Kind<cfg.Options, {fields}> = {json.dumps(panel)};")
    return "\n".join(lines)


def _boards() -> str:
    lines = [_HEAD, _BOARD]
    for file in FILES:
        lines.append(f"export const {file.id.replace('-', '_')}: Board = {json.dumps(file.model)};")
        rows = [panel for panel in file.model["panels"] if panel["type"] == "row"]
        lines.append(f"export const rows_{file.id.replace('-', '_')}: Plain<RowPanel>[] = {json.dumps(rows)};")
    return "\n".join(lines)


def _compile(folder: Path, programs: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    modules = npm_packages(LOCK)
    (folder / "node_modules").symlink_to(modules)
    for name, text in programs.items():
        (folder / f"{name}.ts").write_text(text)
    options = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext")
    return subprocess.run(
        [*node().node, str(modules / "typescript" / "bin" / "tsc"), *options, "--moduleResolution", "bundler",
         *(f"{name}.ts" for name in programs)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_kind_of_panel_has_its_types() -> None:
    assert {panel["type"] for file in FILES for panel in file.panels()} == KINDS.keys()


def test_the_dashboards_compile_against_the_types_of_grafana(tmp_path: Path) -> None:
    done = _compile(tmp_path, {kind: _program(kind) for kind in KINDS} | {"boards": _boards()})
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_wrong_does_not_compile(tmp_path: Path) -> None:
    right = _program("timeseries")
    wrong = {
        "key": right.replace('"drawStyle"', '"drawStile"', 1),
        "value": right.replace('"displayMode": "list"', '"displayMode": "lists"', 1),
        "kind": right.replace('"fillOpacity": 70', '"fillOpacity": "70"', 1),
        "member": right.replace('"title":', '"titel":', 1),
    }
    done = _compile(tmp_path, wrong)
    assert {line.partition(".ts(")[0] for line in done.stdout.splitlines() if ".ts(" in line} == wrong.keys()


def _lost(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Name what of ours does not stand in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            lost
            for key, value in ours.items()
            for lost in (_lost(value, theirs[key], f"{path}/{key}") if key in theirs else [f"{path}/{key}"])
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [lost for i, value in enumerate(ours) for lost in _lost(value, theirs[i], f"{path}/{i}")]
    return [] if ours == theirs else [path]


def _read_and_written(model: Any, kind: Any) -> Any:
    plugins.register_default_plugins()
    return json.loads(JSONEncoder().encode(kind.from_json(model)))


@pytest.mark.parametrize("file", FILES, ids=[file.id for file in FILES])
def test_the_models_of_an_older_grafana_lose_nothing_of_a_dashboard(file: File) -> None:
    lost = _lost(file.model, _read_and_written(file.model, Dashboard))
    assert [path for path in lost if path != "/id" and not path.startswith("/annotations/list/0/target/")] == []


def test_the_models_of_grafana_lose_nothing_of_the_alert_rules() -> None:
    [group] = json.loads((FOLDER / "provisioning/alerting/hpkp.json").read_text())["groups"]
    assert _lost(group["rules"], _read_and_written(group, RuleGroup)["rules"]) == []


def test_units_are_those_that_grafana_knows() -> None:
    known = {value for name, value in vars(units).items() if name.isupper() or isinstance(value, str)}
    used = {panel["fieldConfig"]["defaults"]["unit"] for file in FILES for panel in file.panels()}
    used |= {
        one["value"]
        for file in FILES
        for panel in file.panels()
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "unit"
    }
    assert used <= known


def test_what_the_models_do_not_know_is_found_missing() -> None:
    model = json.loads(json.dumps(FILES[0].model))
    panel = next(panel for panel in model["panels"] if panel["type"] == "timeseries")
    panel["fieldConfig"]["defaults"]["custom"]["drawStile"] = "bars"
    panel["options"]["legends"] = {}
    lost = _lost(model, _read_and_written(model, Dashboard))
    assert {path.rpartition("/")[2] for path in lost if path.startswith("/panels")} == {"drawStile", "legends"}
