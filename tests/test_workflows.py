"""The workflows run what the Makefile has, and nobody's fork waits for a GPU. (`make lint` runs actionlint on them.)"""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGETS = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {file.stem: yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader) for file in FILES}
SECRET_STEPS = [
    (name, step)
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for step in job["steps"]
    if "secrets." in str(step)
]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_command_is_a_target_of_the_makefile(name):
    workflow = WORKFLOWS[name]
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {command.removeprefix("make ").split()[0].strip('"') for command in commands}
    for job in workflow["jobs"].values():
        rows = job.get("strategy", {}).get("matrix", {}).get("include", [])
        targets |= {row["versions"] for row in rows}
    assert targets and all(command.startswith("make ") for command in commands)
    assert targets - {"$VERSIONS"} <= TARGETS


def test_the_cpu_workflow_runs_on_every_push_and_pull_request():
    on = WORKFLOWS["test"]["on"]
    assert on["push"] == on["pull_request"] == ""  # no branch or path is left out
    assert {"run": "make test"} in WORKFLOWS["test"]["jobs"]["test"]["steps"]


def test_the_gpu_workflow_is_off_until_a_variable_names_a_runner():
    workflow = WORKFLOWS["gpu"]
    assert set(workflow["on"]) == {"schedule", "workflow_dispatch"}
    for job in workflow["jobs"].values():
        assert job["if"] == "vars.GPU_RUNNER != ''" and job["runs-on"] == "${{ vars.GPU_RUNNER }}"


def test_the_token_goes_to_one_step_of_the_gpu_workflow():
    ((name, step),) = SECRET_STEPS
    assert name == "gpu" and step["env"]["HF_TOKEN"] == "${{ secrets.HF_TOKEN }}"
    assert "secrets." not in step["run"] and "inputs." not in step["run"]  # text from outside is no shell code


def test_the_gpu_workflow_has_what_deepfloyd_needs():
    """The Makefile hands EXTRAS to pip."""
    assert WORKFLOWS["gpu"]["env"]["EXTRAS"] == "[deepfloyd]"
    assert '-e ".$(EXTRAS)"' in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "deepfloyd = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_gpu_workflow_keeps_what_failed():
    steps = WORKFLOWS["gpu"]["jobs"]["course"]["steps"]
    (upload,) = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()" and upload["with"]["path"].split() == ["build/*.ipynb", "build/index.html"]


def test_the_matrix_has_the_lowest_the_newest_and_colabs_versions():
    rows = WORKFLOWS["dependencies"]["jobs"]["versions"]["strategy"]["matrix"]["include"]
    assert {row["versions"] for row in rows} == {"lowest", "newest", "colab"}
    assert all(isinstance(row["python"], str) for row in rows)
    lowest = next(row for row in rows if row["versions"] == "lowest")
    assert f'requires-python = ">={lowest["python"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_site_is_published_only_where_a_variable_says_so():
    workflow = WORKFLOWS["site"]
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["if"] == "vars.PUBLISH_SITE == 'true'"
    steps = job["steps"]
    assert {"run": "make site"} in steps and {"path": "build/site"} in [step.get("with") for step in steps]
