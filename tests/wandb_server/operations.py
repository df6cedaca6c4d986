"""The operations of GraphQL that the SDK and wandb-workspaces use, each answered as W&B does."""

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from tests.wandb_server.account import EVENTS, HISTORY, Account, Run, View
from tests.wandb_server.artifacts import ArtifactOperations, node_id

Variables = dict[str, Any]
Answer = dict[str, Any]


class Refused(Exception):
    """What W&B answers with an error."""


class Operations:
    """Answers from an account. Called under the server's lock."""

    def __init__(self, account: Account, upload_url: Callable[[str], str]) -> None:
        self._account, self._url = account, upload_url
        self.artifacts = ArtifactOperations(account, upload_url)

    def answer(self, name: str, variables: Variables) -> Answer | None:
        """None for an operation that is not known."""
        method = OPERATIONS.get(name)
        return None if method is None else method(self, variables)

    def viewer(self, _: Variables) -> Answer:
        user = {"id": "VXNlcjox", "name": "Tester", "username": "tester", "email": "tester@example.org", "admin": False}
        keys = {"edges": [{"node": {"id": "QXBpS2V5OjE=", "name": "****", "description": None}}]}
        teams = {"edges": [{"node": {"name": self._account.entity}}]}
        return {
            "viewer": user
            | {"flags": "{}", "entity": self._account.entity, "deletedAt": None, "apiKeys": keys, "teams": teams}
        }

    def features(self, _: Variables) -> Answer:
        return {"serverInfo": {"features": []}}

    def resume_status(self, asked: Variables) -> Answer:
        run = self._account.runs.get(asked["name"])
        if run is None:
            return {"model": None}
        run.resume()
        return {
            "model": {
                "id": node_id("Project", run.project),
                "name": run.project,
                "entity": {"id": node_id("Entity", run.entity), "name": run.entity},
                "bucket": {
                    "id": run.id,
                    "name": run.name,
                    "summaryMetrics": json.dumps(run.summary),
                    "displayName": run.about.get("displayName"),
                    "logLineCount": 0,
                    "historyLineCount": len(run.history),
                    "eventsLineCount": len(run.streams.get(EVENTS, [])),
                    "historyTail": json.dumps(run.streams.get(HISTORY, [])[-1:]),
                    "eventsTail": json.dumps(run.streams.get(EVENTS, [])[-1:]),
                    "config": run.about.get("config") or "{}",
                    "tags": run.about.get("tags") or [],
                    "notes": None,
                    "wandbConfig": json.dumps({"t": {}} if "_wandb" in (run.about.get("config") or "") else {}),
                },
            }
        }

    def upsert_bucket(self, asked: Variables) -> Answer:
        name = asked.get("name") or next(run.name for run in self._account.runs.values() if run.id == asked["id"])
        if name in self._account.deleted:
            raise Refused(f"run {name} was previously created and deleted; try a new run name")
        inserted = name not in self._account.runs
        entity, project = asked.get("entity") or self._account.entity, asked.get("project") or "uncategorized"
        if inserted:
            self._account.projects.add(project)
            self._account.runs[name] = Run(entity, project, name, node_id("Run", name))
        run = self._account.runs[name]
        run.about |= {key: value for key, value in asked.items() if value is not None}
        owner = {"id": node_id("Entity", run.entity), "name": run.entity}
        bucket = {
            "id": run.id,
            "name": name,
            "displayName": run.about.get("displayName") or name,
            "description": None,
            "config": run.about.get("config") or "{}",
            "sweepName": None,
            "project": {"id": node_id("Project", run.project), "name": run.project, "entity": owner},
            "historyLineCount": len(run.history),
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def create_run_files(self, asked: Variables) -> Answer:
        run = self._account.runs[asked["run"]]
        files = [{"name": name, "uploadUrl": self._url(f"run/{run.name}/{quote(name)}")} for name in asked["files"]]
        return {"createRunFiles": {"runID": run.id, "uploadHeaders": [], "files": files}}

    def alert(self, asked: Variables) -> Answer:
        self._account.runs[asked["runName"]].alert(asked)
        return {"notifyScriptableRunAlert": {"success": True}}

    def projects(self, _: Variables) -> Answer:
        edges = [
            {
                "node": {
                    "__typename": "Project",
                    "id": node_id("Project", name),
                    "name": name,
                    "entityName": self._account.entity,
                    "createdAt": "2026-11-02T09:30:00Z",
                    "isBenchmark": False,
                    "user": None,
                }
            }
            for name in sorted(self._account.projects)
        ]
        return {
            "models": {
                "pageInfo": {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False},
                "edges": edges,
            }
        }

    def runs(self, asked: Variables) -> Answer:
        if asked["project"] not in self._account.projects:
            return {"project": None}
        filters = json.loads(asked["filters"])
        assert set(filters) == {"name"}
        assert set(filters["name"]) == {"$in"}
        found = [self._account.runs[name] for name in filters["name"]["$in"] if name in self._account.runs]
        begin = int(asked.get("cursor") or 0)
        page = found[begin : begin + asked["perPage"]]
        end = begin + len(page)
        return {
            "project": {
                "internalId": node_id("Internal", asked["project"]),
                "runCount": len(found),
                "readOnly": False,
                "runs": {
                    "edges": [
                        {"node": _listed(run), "cursor": str(number)}
                        for number, run in enumerate(page, start=begin + 1)
                    ],
                    "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(found)},
                },
            }
        }

    def view(self, asked: Variables) -> Answer:
        found = [
            {"node": _shown(view)}
            for view in self._account.views.values()
            if (view.project, view.name, view.type) == (asked["projectName"], asked["viewName"], asked["viewType"])
        ]
        return {"project": {"allViews": {"edges": found}}}

    def views(self, asked: Variables) -> Answer:
        """A page of them. W&B takes "runs", which stands where none is asked for, for reports."""
        assert asked.get("viewName") is None
        assert "viewType" not in asked
        found = [view for view in self._account.reports if view.project == asked["project"]]
        begin = int(asked.get("reportCursor") or 0)
        page = found[begin : begin + asked["reportLimit"]]
        edges = [
            {"node": _shown(view) | {"user": {"username": "tester", "photoUrl": None, "email": None}}, "cursor": str(n)}
            for n, view in enumerate(page, start=begin + 1)
        ]
        info = {"endCursor": str(begin + len(page)), "hasNextPage": begin + len(page) < len(found)}
        return {"project": {"allViews": {"edges": edges, "pageInfo": info}}}

    def project_id(self, asked: Variables) -> Answer:
        name = asked["projectName"]
        known = name in self._account.projects
        return {"project": {"id": node_id("Project", name), "internalId": node_id("Internal", name)} if known else None}

    def upsert_view(self, asked: Variables) -> Answer:
        known = self._account.views.get(asked.get("id") or "")
        if known is None and asked.get("id"):
            return {"upsertView": None}
        view = View(
            id=known.id if known else node_id("View", str(len(self._account.views))),
            name=asked["name"],
            entity=asked["entityName"],
            project=asked["projectName"],
            type=asked["type"],
            display_name=asked["displayName"],
            description=asked.get("description") or "",
            spec=json.loads(asked["spec"]),
            saves=known.saves + 1 if known else 1,
        )
        self._account.views[view.id] = view
        return {"upsertView": {"view": _shown(view), "inserted": known is None}}

    def report(self, asked: Variables) -> Answer:
        found = self._account.views.get(asked["reportId"])
        return {"view": None if found is None else _shown(found)}


def _shown(view: View) -> Answer:
    project = {"id": node_id("Project", view.project), "name": view.project, "entityName": view.entity}
    return {
        "id": view.id,
        "type": view.type,
        "name": view.name,
        "displayName": view.display_name,
        "description": view.description,
        "project": project,
        "createdAt": "2026-11-02T09:30:00Z",
        "updatedAt": "2026-11-02T09:30:00Z",
        "spec": json.dumps(view.spec),
    }


def _listed(run: Run) -> Answer:
    return {
        "projectId": "7",
        "id": run.id,
        "tags": run.about.get("tags") or [],
        "name": run.name,
        "displayName": run.about.get("displayName"),
        "sweepName": None,
        "state": run.state,
        "group": run.about.get("groupName"),
        "jobType": run.about.get("jobType"),
        "commit": None,
        "readOnly": False,
        "createdAt": "2026-11-02T09:30:00Z",
        "heartbeatAt": "2026-11-02T09:30:00Z",
        "description": None,
        "notes": None,
        "config": run.about.get("config") or "{}",
        "systemMetrics": "{}",
        "summaryMetrics": json.dumps(run.summary),
        "historyKeys": None,
        "historyLineCount": len(run.history),
        "user": {"name": "Tester", "username": "tester"},
    }


OPERATIONS: Final[dict[str, Callable[[Operations, Variables], Answer]]] = {
    "Viewer": Operations.viewer,
    "GetViewer": Operations.viewer,
    "GetDefaultEntity": Operations.viewer,
    "ServerFeaturesQuery": Operations.features,
    "RunResumeStatus": Operations.resume_status,
    "UpsertBucket": Operations.upsert_bucket,
    "CreateRunFiles": Operations.create_run_files,
    "ArtifactType": lambda these, asked: these.artifacts.artifact_type(asked),
    "CreateArtifact": lambda these, asked: these.artifacts.create_artifact(asked),
    "CreateArtifactManifest": lambda these, asked: these.artifacts.create_manifest(asked),
    "CreateArtifactFiles": lambda these, asked: these.artifacts.create_artifact_files(asked),
    "CommitArtifact": lambda these, asked: these.artifacts.commit_artifact(asked),
    "ArtifactMembershipByName": lambda these, asked: these.artifacts.membership(asked),
    "UpdateArtifact": lambda these, asked: these.artifacts.update(asked),
    "AddAliases": lambda these, asked: these.artifacts.add_aliases(asked),
    "ArtifactByID": lambda these, asked: these.artifacts.by_id(asked),
    "UseArtifact": lambda these, asked: these.artifacts.use(asked),
    "NotifyScriptableRunAlert": Operations.alert,
    "Runs": Operations.runs,
    "View": Operations.view,
    "ProjectViews": Operations.views,
    "GetProjects": Operations.projects,
    "ProjectInternalId": Operations.project_id,
    "upsertView": Operations.upsert_view,
    "UpsertView2": Operations.upsert_view,
    "SpecificReport": Operations.report,
}
