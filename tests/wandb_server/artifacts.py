"""The operations of GraphQL on artifacts: their versions, the aliases on them, and which runs use them."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.wandb_server.account import Account, Artifact

Variables = dict[str, Any]
Answer = dict[str, Any]


def node_id(kind: str, name: str) -> str:
    return b64encode(f"{kind}:{name}".encode()).decode()


class ArtifactOperations:
    """Answers from an account. Called under the server's lock."""

    def __init__(self, account: Account, upload_url: Callable[[str], str]) -> None:
        self._account, self._url = account, upload_url

    def artifact_type(self, _: Variables) -> Answer:
        return {"project": {"artifact": None}}

    def create_artifact(self, asked: Variables) -> Answer:
        """Content that the collection has already becomes no second version."""
        wanted = asked["input"]
        known = [
            made
            for made in self._account.artifacts.values()
            if made.collection == wanted["artifactCollectionName"] and made.about["digest"] == wanted["digest"]
        ]
        made = known[0] if known else Artifact(node_id("Artifact", str(len(self._account.artifacts))), wanted)
        self._account.artifacts[made.id] = made
        if made.committed:
            self._name(made, wanted)
        state = "COMMITTED" if made.committed else "PENDING"
        sequence = {"id": node_id("Sequence", made.collection), "latestArtifact": None}
        artifact = {"id": made.id, "digest": wanted["digest"], "state": state, "artifactSequence": sequence}
        return {"createArtifact": {"artifact": artifact}}

    def create_manifest(self, asked: Variables) -> Answer:
        url = self._url(f"artifact/{quote(asked['artifactID'])}/{quote(asked['name'])}")
        manifest = {
            "id": node_id("Manifest", asked["artifactID"]),
            "file": {"id": node_id("File", asked["artifactID"]), "uploadUrl": url, "uploadHeaders": []},
        }
        return {"createArtifactManifest": {"artifactManifest": manifest}}

    def create_artifact_files(self, asked: Variables) -> Answer:
        edges = [
            {
                "node": {
                    "storagePath": f"artifact/{wanted['name']}",
                    "uploadUrl": self._url(f"artifact/{quote(wanted['artifactID'])}/{quote(wanted['name'])}"),
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "artifact": {"id": wanted["artifactID"]},
                }
            }
            for wanted in asked["input"]["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def commit_artifact(self, asked: Variables) -> Answer:
        found = self._account.artifacts[asked["artifactID"]]
        if not found.committed:
            of_it = [made for made in self._account.artifacts.values() if made.collection == found.collection]
            found.number = sum(made.committed for made in of_it)
            found.committed = True
        self._name(found, found.about)
        return {"commitArtifact": {"artifact": {"id": found.id, "digest": found.about["digest"]}}}

    def membership(self, asked: Variables) -> Answer:
        """A version by its name, with its number or an alias."""
        found = self._named(asked["name"])
        if found is None:
            return {"project": {"artifactCollectionMembership": None}}
        member = {
            "__typename": "ArtifactCollectionMembership",
            "id": node_id("Member", found.id),
            "versionIndex": found.number,
            "createdAt": "2026-11-02T09:30:00Z",
            "aliases": self._aliases(found),
            "artifactCollection": self._collection(found),
            "artifact": self._shown(found),
        }
        return {"project": {"artifactCollectionMembership": member}}

    def update(self, asked: Variables) -> Answer:
        """Its aliases: those that are named are taken from other versions."""
        wanted = asked["input"]
        found = self._account.artifacts[wanted["artifactID"]]
        for alias in wanted.get("aliases") or ():
            self._account.aliases[found.collection, alias["alias"]] = found.id
        return {"result": {"artifact": self._shown(found)}}

    def add_aliases(self, asked: Variables) -> Answer:
        wanted = asked["input"]
        for alias in wanted["aliases"]:
            self._account.aliases[alias["artifactCollectionName"], alias["alias"]] = wanted["artifactID"]
        return {"result": {"success": True}}

    def use(self, asked: Variables) -> Answer:
        wanted = asked["input"]
        self._account.runs[wanted["runName"]].used.append(wanted["artifactID"])
        return {"useArtifact": {"artifact": self._shown(self._account.artifacts[wanted["artifactID"]])}}

    def by_id(self, asked: Variables) -> Answer:
        return {"artifact": self._shown(self._account.artifacts[asked["id"]])}

    def _name(self, made: Artifact, wanted: Variables) -> None:
        for alias in wanted["aliases"] or ():
            self._account.aliases[made.collection, alias["alias"]] = made.id

    def _named(self, name: str) -> Artifact | None:
        collection, _, version = name.partition(":")
        wanted = self._account.aliases.get((collection, version))
        for made in self._account.artifacts.values():
            if made.committed and made.collection == collection and (made.id == wanted or made.name == name):
                return made
        return None

    def _aliases(self, made: Artifact) -> list[Answer]:
        return [
            {"__typename": "ArtifactAlias", "id": node_id("Alias", alias), "alias": alias}
            | {"artifactCollection": self._collection(made)}
            for (collection, alias), owner in self._account.aliases.items()
            if collection == made.collection and owner == made.id
        ]

    def _collection(self, made: Artifact) -> Answer:
        project = str(made.about["projectName"])
        about = {"id": node_id("Project", project), "internalId": node_id("Internal", project), "name": project}
        owner = {"entity": {"name": made.about["entityName"]}}
        return {"__typename": "ArtifactSequence", "name": made.collection, "project": about | owner}

    def _shown(self, made: Artifact) -> Answer:
        return {
            "__typename": "Artifact",
            "id": made.id,
            "artifactSequence": self._collection(made),
            "versionIndex": made.number,
            "artifactType": {"name": made.about["artifactTypeName"]},
            "description": None,
            "metadata": made.about["metadata"],
            "ttlDurationSeconds": -1,
            "ttlIsInherited": True,
            "tags": [],
            "historyStep": None,
            "state": "COMMITTED" if made.committed else "PENDING",
            "size": 1,
            "digest": made.about["digest"],
            "commitHash": None,
            "fileCount": 1,
            "createdAt": "2026-11-02T09:30:00Z",
            "updatedAt": "2026-11-02T09:30:00Z",
            "aliases": self._aliases(made),
        }
