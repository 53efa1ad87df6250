"""The workflows run what the Makefile has, and no fork waits for a GPU. (`make lint` runs actionlint on them.)

And the other files by which services know the repository: Codespaces, dependabot, the citation.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([\w-]+):(?!=)", MAKEFILE, flags=re.MULTILINE))
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {file.stem: yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader) for file in FILES}
SECRET_STEPS = [
    (name, step)
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for step in job["steps"]
    if "secrets." in str(step)
]


def commands_of(job):
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if name != "links"])  # it runs no command
def test_every_command_is_a_target_of_the_makefile(name):
    workflow = WORKFLOWS[name]
    jobs = [job for job in workflow["jobs"].values() if "windows-latest" not in str(job)]
    commands = [command for job in jobs for command in commands_of(job) if command != "pip install uv"]
    targets = {command.removeprefix("make ").split()[0].strip('"') for command in commands}
    for job in workflow["jobs"].values():
        rows = job.get("strategy", {}).get("matrix", {}).get("include", [])
        targets |= {row["versions"] for row in rows if "versions" in row}
    assert targets and all(command.startswith("make ") for command in commands)
    assert targets - {"$VERSIONS"} <= TARGETS


def test_the_cpu_workflow_runs_on_every_push_and_pull_request():
    on = WORKFLOWS["test"]["on"]
    assert on["push"] == on["pull_request"] == ""  # no branch or path is left out
    assert {"run": "make test"} in WORKFLOWS["test"]["jobs"]["test"]["steps"]


def test_mac_and_windows_run_the_unit_tests_and_two_notebooks():
    job = WORKFLOWS["test"]["jobs"]["elsewhere"]
    rows = job["strategy"]["matrix"]["include"]
    assert {row["os"] for row in rows} == {"macos-latest", "windows-latest"}
    install, unit, notebooks = commands_of(job)
    assert install == "python ci/install.py --constraints constraints.txt" and unit == "${{ matrix.python }} -m pytest"
    named = re.fullmatch(r'\$\{\{ matrix.python \}\} -m ci.run_notebooks --notebooks "(.+)"', notebooks)[1].split()
    assert len(named) == 2 and all((ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in named)


def test_every_push_is_tested_with_the_versions_that_a_course_can_be_pinned_to():
    assert WORKFLOWS["test"]["env"] == {"CONSTRAINTS": "constraints.txt"}
    assert '--constraints "$(CONSTRAINTS)"' in MAKEFILE


def test_the_installation_is_measured_with_pip_and_with_uv_and_without_a_cache():
    job = WORKFLOWS["test"]["jobs"]["install"]
    assert job["strategy"]["matrix"] == {"installer": ["pip", "uv"]}
    assert {"run": "make smoke"} in job["steps"] and "cache" not in str(job)


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
    """The Makefile hands EXTRAS to ci/install.py."""
    assert WORKFLOWS["gpu"]["env"]["EXTRAS"] == "deepfloyd"
    assert '--extras "$(EXTRAS)"' in MAKEFILE
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


# ---- other services --------------------------------------------------------------------------------------------------


def test_make_alone_lists_the_main_targets_in_ten_lines():
    recipe = MAKEFILE[MAKEFILE.index("\nhelp:\n") :].partition("\n\n")[0].splitlines()[2:]
    assert len(recipe) == 10 and all(line.startswith('\t@echo "') for line in recipe)
    named = set(re.findall(r'echo "make ([\w-]+) ', "\n".join(recipe)))
    assert {"course", "test", "lab"} <= named <= TARGETS
    assert re.search(r"^[\w-]+:(?!=)", MAKEFILE, flags=re.MULTILINE)[0] == "help:"


def test_make_runs_its_targets_even_if_there_is_a_folder_of_that_name():
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, flags=re.MULTILINE)
    targets = set(re.findall(r"^([a-z][\w-]*):(?!=)", MAKEFILE, flags=re.MULTILINE))
    assert targets == set(phony.replace("\\", " ").split())


def test_the_container_installs_with_make_and_opens_jupyterlab_with_a_token():
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    command, _, target = container["onCreateCommand"].partition(" ")
    assert command == "make" and target in TARGETS
    assert container["postAttachCommand"].startswith(".venv/bin/jupyter lab notebooks")
    assert "token" not in container["postAttachCommand"] and "allow_origin" not in container["postAttachCommand"]
    assert container["forwardPorts"] == [8888]


def test_dependabot_watches_actions_and_packages():
    config = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    updates = {update["package-ecosystem"]: update for update in config["updates"]}
    assert updates.keys() == {"github-actions", "pip"}
    assert updates["pip"]["versioning-strategy"] == "increase-if-necessary"  # else it would raise the lower bounds


def test_the_citation_names_the_version_and_the_licences():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"] and " AND ".join(citation["license"]) == project["license"]
    assert citation["authors"] and citation["title"] in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", ["mini-if", "digits"])
def test_a_model_card_begins_with_what_the_hub_reads(model):
    text = (ROOT / "data" / "models" / model / "README.md").read_text(encoding="utf-8")
    card = ModelCard(text)
    assert card.data.license == "mit" and card.data.pipeline_tag and card.data.tags
    assert card.text.lstrip().startswith("# ")
