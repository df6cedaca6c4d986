"""A wrong model's name is answered with near ones, and nothing heavy is imported for that."""

import subprocess
import sys

import pytest
from torchvision import models

from trainables.errors import UnknownComponent
from trainables.models import _pretrained_names, _torchvision_names
from trainables.registry import registry

LOOKS = """\
import sys
from trainables.errors import UnknownComponent
from trainables.registry import registry
try:
    registry.get("model", "ResNet-50")
except UnknownComponent as unknown:
    print(unknown)
print(sorted({"torch", "torchvision"} & sys.modules.keys()))
"""


def test_names_read_from_files_are_those_that_the_libraries_list() -> None:
    assert _torchvision_names.names() == models.list_models(module=models)
    of_folder = {namespace.prefix: namespace.members() for namespace in registry.namespaces("model")}
    assert of_folder["torchvision"] == _torchvision_names.names()
    assert of_folder["pretrained"] == _pretrained_names.names()


def test_a_hint_imports_neither_torch_nor_torchvision() -> None:
    told = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [
        "unknown model 'ResNet-50'; did you mean pretrained:resnet50 or torchvision:resnet50?",
        "[]",
    ]


@pytest.mark.parametrize(("name", "meant"), [("resnt", "resnet"), ("vit-b-16", "torchvision:vit_b_16")])
def test_near_names(name: str, meant: str) -> None:
    with pytest.raises(UnknownComponent, match=f"did you mean .*{meant}"):
        registry.get("model", name)
