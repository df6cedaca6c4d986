"""The sweep's report and saved workspace at W&B: made once, and updated in place from then on."""

import json
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from orchestrator.store.files import content_of
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import masked, one_line
from orchestrator.wandb.board_content import Content, Section, read_content
from orchestrator.wandb.tracker import END_SECONDS, Unreachable, end_service
from trainables.data.files import replace_whole


@dataclass(frozen=True, slots=True)
class _BoardLocation:
    """Where they are; kept in the results directory."""

    report: str = ""
    workspace: str = ""
    project: str = ""
    """With its entity."""
    content: str = ""
    """Digest of what both say; empty while one of them is being saved."""


class Board:
    """The W&B report and workspace of one results directory."""

    def __init__(self, paths: ResultsPaths) -> None:
        self._paths = paths
        self._kept = _kept(paths)

    def save(self, entity: str, project: str, *, changed: bool) -> str:
        """Write both, and return the report's address. Raises Unreachable, UserError and DamagedResults.

        changed: whether W&B has runs that it did not have; without, nothing is written where both are up to date.
        """
        content = read_content(self._paths)
        digest = blake2b(repr(content).encode(), digest_size=8).hexdigest()
        if self._kept.project != f"{entity}/{project}":
            self._kept = _BoardLocation(project=f"{entity}/{project}")
        if not changed and self._kept.content == digest:
            return self._kept.report
        self._keep(replace(self._kept, content=""))
        blocks = _blocks(content, entity, project)
        sections = [ws.Section(name=part.title, panels=_panels(part), is_open=True) for part in content.sections]
        try:
            report = self._save_report(content, blocks, entity, project)
            workspace = self._save_workspace(content, sections, entity, project)
        except Exception as error:  # the SDK raises whatever its transport does
            end_service(END_SECONDS)
            raise Unreachable(one_line(masked(f"{type(error).__name__}: {error}"))[:300]) from error
        self._keep(replace(self._kept, report=report, workspace=workspace, content=digest))
        return report

    def _keep(self, kept: _BoardLocation) -> None:
        self._kept = kept
        replace_whole(json.dumps(asdict(kept)).encode(), self._paths.wandb_report)

    def _save_report(self, content: Content, blocks: "list[wr.Block]", entity: str, project: str) -> str:
        known = self._kept.report or _report_of(content.results_id, entity, project)
        report = _loaded_report(known) or wr.Report(project=project, entity=entity)
        report.title, report.description, report.width = content.title, content.description, "fluid"
        report.blocks = blocks
        report.save()
        if report.url != self._kept.report:
            # before anything else can go wrong: a report that is not remembered would be made a second time
            self._keep(replace(self._kept, report=str(report.url)))
        return str(report.url)

    def _save_workspace(self, content: Content, sections: "list[ws.Section]", entity: str, project: str) -> str:
        workspace = _loaded_workspace(self._kept.workspace) or ws.Workspace(entity=entity, project=project)
        workspace.name = content.workspace
        workspace.sections = sections
        workspace.runset_settings.filters = expr.And(expr.Config("results_id") == content.results_id)
        workspace.save()
        return str(workspace.url)


def _kept(paths: ResultsPaths) -> _BoardLocation:
    try:
        found = json.loads(content_of(paths.wandb_report))
        return _BoardLocation(**{part.name: str(found[part.name]) for part in fields(_BoardLocation)})
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return _BoardLocation()


def _report_of(results_id: str, entity: str, project: str) -> str:
    """The address of the report that a push saved which was killed before it could keep that; empty where there is none."""
    for report in wandb.Api().reports(f"{entity}/{project}"):
        if results_id in (report.description or ""):
            return str(report.url)
    return ""


def _loaded_report(address: str) -> "wr.Report | None":
    """Load the report with the comments on it. None where it was never made, or has been deleted since."""
    if not address:
        return None
    try:
        return wr.Report.from_url(address)
    except (TypeError, ValueError):  # there is no such view
        return None


def _loaded_workspace(address: str) -> "ws.Workspace | None":
    if not address:
        return None
    try:
        return ws.Workspace.from_url(address)
    except ValueError:
        return None


def _blocks(content: Content, entity: str, project: str) -> "list[wr.Block]":
    runsets = [
        wr.Runset(
            entity=entity,
            project=project,
            name=model.label,
            filters=expr.And(
                expr.Config("results_id") == content.results_id, expr.Config("model_id") == model.model_id
            ),
        )
        for model in content.models
    ]
    blocks: list[wr.Block] = [wr.H1(text="Summary"), *(wr.P(text=line) for line in content.summary)]
    for title, text in content.tables:
        blocks += [wr.H2(text=title), wr.MarkdownBlock(text=text)]
    for section in content.sections:
        blocks += [wr.H1(text=section.title), wr.PanelGrid(runsets=runsets, panels=_panels(section))]
    return [*blocks, wr.H1(text="How it was made"), wr.MarkdownBlock(text=f"```\n{content.command}\n```")]


def _panels(section: Section) -> "list[wr.LinePlot]":
    panels = [
        *(
            wr.LinePlot(
                title=title,
                x="Step",
                y=[name],
                title_x="epoch",
                groupby=section.grouped_by,
                groupby_aggfunc="mean",
                groupby_rangefunc="minmax",
            )
            for name, title in section.lines
        ),
        *(
            wr.BarPlot(title=title, metrics=[name], groupby=section.grouped_by, groupby_aggfunc="mean")
            for name, title in section.bars
        ),
        *(wr.ScalarChart(title=title, metric=name, groupby_aggfunc=how) for name, title, how in section.scalars),
    ]
    if section.parallel:
        columns = [
            *(
                wr.ParallelCoordinatesPlotColumn(metric=wr.Config(name), display_name=title)
                for name, title in section.axes
            ),
            *(
                wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric(name), display_name=title)
                for name, title in section.parallel
            ),
        ]
        panels.append(wr.ParallelCoordinatesPlot(columns=columns, title="all axes"))
    if section.comparer:
        panels.append(wr.RunComparer(diff_only=True))
    if section.confusion:
        panels.append(
            wr.CustomChart(
                query={"summaryTable": {"tableKey": "confusion_matrix_table"}},
                chart_name="wandb/confusion_matrix/v1",
                chart_fields={name: name for name in ("Actual", "Predicted", "nPredictions")},
                chart_strings={"title": "confusion matrix, test split"},
            )
        )
    panels += [wr.MediaBrowser(title=key, media_keys=[key]) for key in section.media]
    return _laid_out(panels)


def _laid_out(panels: "list[wr.LinePlot]") -> "list[wr.LinePlot]":
    """Three in a row of 24."""
    for number, panel in enumerate(panels):
        panel.layout = wr.Layout(x=8 * (number % 3), y=8 * (number // 3), w=8, h=8)
    return panels
