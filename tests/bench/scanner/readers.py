#!/usr/bin/env python3
"""The direct dependencies of a checked-out repository, by readers that share nothing with the scanner: readers.py FOLDER

Each reader is as small as its format allows, uses the library its ecosystem uses (packaging, tomllib, a YAML, HCL or XML
parser; `go mod edit`), and runs nothing of the repository. Printed is one JSON object: for each manifest its ecosystem,
`names` that it surely asks for, `also` what it mentions besides (managed or offered versions, plugins, packages of the
repository itself, what depends on a variable: neither missed when left out nor false when named), `own` names of the
packages it describes, `facts` with constraint and scope of names where they stand there plainly, and `aside` when it lies among tests, examples, documentation, templates or vendored code."""

import ast
import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import hcl2
import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ASIDE = re.compile(
    r"(^|/)(\w*[-_.])?(tests?|testing|testdata|testsuite|specs?|e2e|fixtures?|__\w+__|examples?|samples?|demos?|docs?|docs_\w+"
    r"|documentation|tutorials?|templates?|skeletons?|boilerplate|scaffold|playgrounds?|bench(es|marks?)?|fuzz(ing)?|mocks?"
    r"|vendor|node_modules|third[-_]party|external|deps|smoke\w*|integration\w*)([-_.]\w+)?(/|$)|\{\{|src/test/", re.IGNORECASE)


class Found:
    """What one manifest says."""

    def __init__(self):
        self.names, self.also, self.own = set(), set(), set()
        self.facts = {}

    def fact(self, name, constraint, scope):
        """What surely stands there; None where the format leaves it open."""
        self.facts.setdefault(name, []).append([constraint if isinstance(constraint, str) else None, scope])


def text_of(path):
    return path.read_text("utf-8-sig", errors="replace")


def table(value):
    return value if isinstance(value, dict) else {}


def items(value):
    return value if isinstance(value, list) else []


# ---- JavaScript -----------------------------------------------------------------------------------------------------


def npm(path, found):
    data = json.loads(text_of(path))
    if isinstance(data.get("name"), str):
        found.own.add(data["name"])
    for kind in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        for name, wanted in table(data.get(kind)).items():
            local = isinstance(wanted, str) and re.match(r"(workspace|file|link|portal):|\.{0,2}/", wanted)
            (found.also if local else found.names).add(name)
            found.fact(name, wanted, {"devDependencies": "dev", "optionalDependencies": "optional", "peerDependencies": "peer"}.get(kind, "runtime"))


# ---- Python ---------------------------------------------------------------------------------------------------------


def python_requirement(text, found, into=None, scope=None):
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return
    (into if into is not None else found.names).add(canonicalize_name(wanted.name))
    if not wanted.url and not wanted.marker:
        constraint = re.sub(r"^[\w.-]+\s*(\[[^\]]*\])?\s*", "", text.strip()).strip("() ")
        found.fact(canonicalize_name(wanted.name), constraint, scope)


def requirements(path, found):
    for line in re.sub(r"\\\r?\n", " ", text_of(path)).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        line = re.split(r"\s--?[a-z]", line)[0]
        if line.startswith("-"):
            continue
        egg = re.search(r"#egg=([\w.-]+)", line)
        python_requirement(egg[1] if egg else line, found)


def poetry_group(group, found):
    for name, wanted in table(group).items():
        if name == "python":
            continue
        local = any(isinstance(one, dict) and "path" in one for one in (wanted if isinstance(wanted, list) else [wanted]))
        (found.also if local else found.names).add(canonicalize_name(name))


def pyproject(path, found):
    data = tomllib.loads(text_of(path))
    project, tool = table(data.get("project")), table(data.get("tool"))
    poetry = table(tool.get("poetry"))
    for name in (project.get("name"), poetry.get("name")):
        if isinstance(name, str):
            found.own.add(canonicalize_name(name))
    lists = [project.get("dependencies"), *table(project.get("optional-dependencies")).values(),
             *table(data.get("dependency-groups")).values(), *table(table(tool.get("pdm")).get("dev-dependencies")).values(),
             table(tool.get("uv")).get("dev-dependencies")]
    for text in (text for one in lists for text in items(one) if isinstance(text, str)):
        python_requirement(text, found, scope="runtime" if text in items(project.get("dependencies")) else None)
    for text in items(table(data.get("build-system")).get("requires")):
        python_requirement(text, found, found.also)
    for group in (poetry.get("dependencies"), poetry.get("dev-dependencies"),
                  *(table(one).get("dependencies") for one in table(poetry.get("group")).values())):
        poetry_group(group, found)
    for name, source in table(table(tool.get("uv")).get("sources")).items():
        if any("path" in table(one) or "workspace" in table(one) for one in (source if isinstance(source, list) else [source])):
            found.names.discard(canonicalize_name(name))
            found.also.add(canonicalize_name(name))


def pipfile(path, found):
    data = tomllib.loads(text_of(path))
    for group, wanted in data.items():
        if group not in ("source", "requires", "scripts", "pipenv"):
            poetry_group(wanted, found)


def setup_cfg(path, found):
    config = configparser.RawConfigParser(strict=False)
    config.read_string(text_of(path))
    texts = [config.get("options", key, fallback="") for key in ("install_requires", "tests_require")]
    if config.has_section("options.extras_require"):
        texts += [value for _, value in config.items("options.extras_require")]
    for line in "\n".join(texts).splitlines():
        python_requirement(line.split(" #")[0].strip(), found)
    for line in config.get("options", "setup_requires", fallback="").splitlines():
        python_requirement(line.strip(), found, found.also)
    name = config.get("metadata", "name", fallback="")
    if name:
        found.own.add(canonicalize_name(name))


def setup_py(path, found):
    """Literal lists only, in the call of setup() itself: what a program computes is not to be known without running it."""
    for call in ast.walk(ast.parse(text_of(path))):
        if not isinstance(call, ast.Call) or getattr(call.func, "id", getattr(call.func, "attr", "")) != "setup":
            continue
        for argument in call.keywords:
            try:
                value = ast.literal_eval(argument.value)
            except ValueError:
                continue
            if argument.arg == "name" and isinstance(value, str):
                found.own.add(canonicalize_name(value))
            lists = {"install_requires": [value], "tests_require": [value],
                     "extras_require": list(table(value).values())}.get(argument.arg, [])
            for text in (text for one in lists for text in (one if isinstance(one, (list, tuple)) else [one])):
                if isinstance(text, str):
                    python_requirement(text, found)


# ---- others, in TOML, JSON, XML -------------------------------------------------------------------------------------


def gomod(path, found):
    out = subprocess.run(["go", "mod", "edit", "-json", str(path)], capture_output=True, check=True, timeout=20,
                         env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off"}).stdout
    data = json.loads(out)
    found.own.add(table(data.get("Module")).get("Path", ""))
    for one in items(data.get("Require")):
        (found.also if one.get("Indirect") else found.names).add(one["Path"])
        found.fact(one["Path"], one.get("Version"), None if one.get("Indirect") else "runtime")


def cargo_group(group, found, into, scope=None):
    for name, wanted in table(group).items():
        constraint, wanted = wanted if isinstance(wanted, str) else table(wanted).get("version"), table(wanted)
        (found.also if "path" in wanted else into).add(wanted.get("package", name))
        found.fact(wanted.get("package", name), constraint, None if wanted.get("optional") else scope)


def cargo(path, found):
    data = tomllib.loads(text_of(path))
    if isinstance(table(data.get("package")).get("name"), str):
        found.own.add(data["package"]["name"])
    cargo_group(table(data.get("workspace")).get("dependencies"), found, found.also)
    for part in (data, *table(data.get("target")).values()):
        for kind, scope in (("dependencies", "runtime"), ("dev-dependencies", "dev"), ("build-dependencies", "build")):
            cargo_group(table(part).get(kind), found, found.names, scope)


def xml_of(path):
    root = ElementTree.fromstring(re.sub(r"<\?xml[^>]*\?>", "", text_of(path)))
    for node in root.iter():
        if isinstance(node.tag, str):
            node.tag = node.tag.rpartition("}")[2]
    return root


def maven(path, found):
    root = xml_of(path)
    if root.tag != "project":
        return
    parent = root.find("parent")
    values = {one.tag: (one.text or "").strip() for one in root.findall("properties/*")}
    own = {key: root.findtext(key) or (parent.findtext(key) if parent is not None else None) or "" for key in ("groupId", "artifactId", "version")}
    for key, value in own.items():
        values.setdefault(f"project.{key}", value.strip())
        values.setdefault(f"pom.{key}", value.strip())
        values.setdefault(key, value.strip())

    def name_of(node):
        parts = [(node.findtext(key) or "").strip() for key in ("groupId", "artifactId")]
        for _ in range(3):
            parts = [re.sub(r"\$\{([^}]+)\}", lambda m: values.get(m[1], m[0]), part) for part in parts]
        return ":".join(parts)

    found.own.add(name_of(ElementTree.fromstring(f"<x><groupId>{own['groupId']}</groupId><artifactId>{own['artifactId']}</artifactId></x>")))
    direct = root.findall("dependencies/dependency") + root.findall("profiles/profile/dependencies/dependency")
    for node in root.iter("dependency"):
        name = name_of(node)
        (found.names if node in direct and "${" not in name else found.also).add(name)
        version = (node.findtext("version") or "").strip()
        scope = (node.findtext("scope") or "").strip()
        if node in direct:
            found.fact(name, version if version and "${" not in version else None, "test" if scope == "test" else None)
    for node in [*root.iter("plugin"), *root.iter("extension"), *([parent] if parent is not None else [])]:
        name = name_of(node)
        found.also.add(name if not name.startswith(":") else f"org.apache.maven.plugins{name}")


def gradle_catalog(path, found):
    data = tomllib.loads(text_of(path))
    for one in table(data.get("libraries")).values():
        if isinstance(one, str):
            found.also.add(":".join(one.split(":")[:2]))
        elif "module" in one:
            found.also.add(one["module"])
        else:
            found.also.add(f"{one.get('group')}:{one.get('name')}")


def nuget(path, found):
    root = xml_of(path)
    for node in root.iter():
        name = node.get("Include") or node.get("Update") or node.get("id") or ""
        into = {"PackageReference": found.names, "package": found.names, "GlobalPackageReference": found.names,
                "PackageVersion": found.also}.get(node.tag)
        if into is None or not name or (node.tag == "package" and root.tag != "packages"):
            continue
        for one in name.split(";"):
            (found.also if "$(" in one or "Include" not in node.attrib and node.tag != "package" else into).add(one.strip())


def composer(path, found):
    data = json.loads(text_of(path))
    if isinstance(data.get("name"), str):
        found.own.add(data["name"])
    for kind in ("require", "require-dev"):
        for name, wanted in table(data.get(kind)).items():
            (found.names if "/" in name else found.also).add(name)
            found.fact(name, wanted, "dev" if kind == "require-dev" else "runtime")
    found.also.update(table(data.get("suggest")), table(data.get("conflict")), table(data.get("replace")))


# ---- others, whose manifests are programs: what stands there literally ----------------------------------------------


def without_comments(text, mark):
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(mark))


def gemfile(path, found):
    text = without_comments(text_of(path), "#")
    for match in re.finditer(r"^\s*gem[ (]+(['\"])([\w.-]+)\1([^\n]*)", text, re.MULTILINE):
        (found.also if re.search(r"\bpath(:|\s*=>)", match[3]) else found.names).add(match[2])
    for match in re.finditer(r"['\"]([\w.-]+)['\"]", "\n".join(re.findall(r"%w\[[^\]]*\]", text))):
        found.also.add(match[1])


def gemspec(path, found):
    text = without_comments(text_of(path), "#")
    for match in re.finditer(r"\.add_(\w*_)?dependency[ (]+['\"]([\w.-]+)['\"]", text):
        found.names.add(match[2])
    for match in re.finditer(r"\.name\s*=\s*['\"]([\w.-]+)['\"]", text):
        found.own.add(match[1])


def mix(path, found):
    text = without_comments(text_of(path), "#")
    for body in re.findall(r"defp?\s+\w*deps\w*(?:\([^)]*\))?\s*(?:,\s*)?do:?(.*?)\n\s{0,2}end", text, re.DOTALL):
        for match in re.finditer(r"\{\s*:(\w+)\s*,([^{}]*)", body):
            local = re.search(r"\b(path|in_umbrella):", match[2])
            (found.also if local else found.names).add(match[1])
    for match in re.finditer(r"\bapp:\s*:(\w+)", text):
        found.own.add(match[1])


def swift(path, found):
    text = without_comments(text_of(path), "//")
    for match in re.finditer(r"\.package\(\s*(?:name:\s*\"[^\"]*\",\s*)?url:\s*\"([^\"]+)\"", text):
        found.names.add(re.sub(r"^(https?://|git@)|\.git$", "", match[1]).replace(":", "/"))


def podfile(path, found):
    for match in re.finditer(r"^\s*pod\s+['\"]([^'\"/]+)[^'\"]*['\"]([^\n]*)", without_comments(text_of(path), "#"), re.MULTILINE):
        (found.also if ":path" in match[2] or "path:" in match[2] else found.names).add(match[1])


# ---- others, in YAML and HCL ----------------------------------------------------------------------------------------


class Tolerant(yaml.CSafeLoader):
    """YAML with tags nobody here knows."""


Tolerant.add_multi_constructor("", lambda loader, suffix, node: None)


def documents(path):
    return [one for one in yaml.load_all(text_of(path), Tolerant) if isinstance(one, dict)]


def pub(path, found):
    for data in documents(path)[:1]:
        found.own.add(data.get("name") or "")
        for kind in ("dependencies", "dev_dependencies"):
            for name, wanted in table(data.get(kind)).items():
                local = isinstance(wanted, dict) and ("path" in wanted or "sdk" in wanted)
                (found.also if local else found.names).add(name)
                found.fact(name, wanted, "dev" if kind == "dev_dependencies" else "runtime")
        found.also.update(table(data.get("dependency_overrides")))


def actions(path, found):
    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "uses" and isinstance(value, str) and not value.startswith((".", "docker:")) and "@" in value:
                    found.names.add(value.partition("@")[0])
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    for data in documents(path):
        walk({key: data.get(key) for key in ("jobs", "runs")})


def image_name(text):
    text = text.partition("@")[0]
    head, colon, tail = text.rpartition(":")
    return head if colon and "/" not in tail else text


def dockerfile(path, found):
    stages = set()
    for match in re.finditer(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", text_of(path), re.MULTILINE | re.IGNORECASE):
        if match[1].lower() not in stages and match[1] != "scratch":
            (found.also if "$" in match[1] else found.names).add(image_name(match[1]))
        stages.add((match[2] or "").lower())


def compose(path, found):
    for data in documents(path):
        for service in table(data.get("services")).values():
            image = table(service).get("image")
            if isinstance(image, str):
                (found.also if "$" in image or "build" in service else found.names).add(image_name(image))


def helm(path, found):
    for data in documents(path):
        found.own.add(data.get("name") or "")
        for one in items(data.get("dependencies")):
            local = str(one.get("repository", "")).startswith("file:")
            (found.also if local else found.names).add(one.get("name"))


def terraform(path, found):
    data = hcl2.loads(text_of(path))
    plain = lambda text: str(text).strip('"')  # noqa: E731 newer releases of the library keep the quotes
    for block in items(data.get("module")):
        for body in block.values():
            source = plain(table(body).get("source", ""))
            (found.also if source.startswith(".") or "$" in source or "://" in source or "git" in source else found.names).add(source)
    for block in items(data.get("terraform")):
        for providers in items(block.get("required_providers")):
            for body in providers.values():
                found.names.add(plain(table(body).get("source", "")))


def vcpkg(path, found):
    data = json.loads(text_of(path))
    found.own.add(data.get("name", ""))
    groups = [data.get("dependencies"), *(table(one).get("dependencies") for one in table(data.get("features")).values())]
    for one in (one for group in groups for one in items(group)):
        found.names.add(one if isinstance(one, str) else one.get("name"))


def conan(path, found):
    section = ""
    for line in text_of(path).splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and section in ("requires", "build_requires", "tool_requires", "test_requires"):
            found.names.add(line.split("/")[0])


def conda(path, found):
    for data in documents(path)[:1]:
        for one in items(data.get("dependencies")):
            if isinstance(one, str):
                found.names.add(re.split(r"[\s=<>!~\[]", one.rpartition("::")[2])[0])


READERS = [
    (r"package\.json", "npm", npm),
    (r"pyproject\.toml", "pypi", pyproject), (r"Pipfile", "pypi", pipfile), (r"setup\.cfg", "pypi", setup_cfg), (r"setup\.py", "pypi", setup_py),
    (r"[\w.-]*requirements[\w.-]*\.txt", "pypi", requirements),
    (r"go\.mod", "go", gomod), (r"Cargo\.toml", "cargo", cargo),
    (r"pom\.xml", "maven", maven), (r"libs\.versions\.toml", "maven", gradle_catalog),
    (r".*\.(cs|fs|vb)proj|packages\.config|Directory\.(Build|Packages)\.props", "nuget", nuget),
    (r"composer\.json", "composer", composer),
    (r"Gemfile|gems\.rb", "rubygems", gemfile), (r".+\.gemspec", "rubygems", gemspec),
    (r"mix\.exs", "hex", mix), (r"pubspec\.yaml", "pub", pub), (r"Package\.swift", "swift", swift), (r"Podfile", "cocoapods", podfile),
    (r"((.+\.)?Dockerfile|Containerfile)(\..+)?", "docker", dockerfile), (r"(docker-)?compose([.-].+)?\.ya?ml", "docker", compose),
    (r"Chart\.yaml", "helm", helm), (r".+\.tf", "terraform", terraform),
    (r"vcpkg\.json", "vcpkg", vcpkg), (r"conanfile\.txt", "conan", conan), (r"environment\.ya?ml", "conda", conda),
    (r"action\.ya?ml", "github-actions", actions),
]
READERS = [(re.compile(pattern), ecosystem, reader) for pattern, ecosystem, reader in READERS]


def reader_of(path):
    if re.fullmatch(r"\.github/workflows/[^/]+\.ya?ml", path):
        return "github-actions", actions
    name = path.rpartition("/")[2]
    for pattern, ecosystem, reader in READERS:
        if pattern.fullmatch(name):
            return ecosystem, reader
    return None, None


def main(root):
    manifests, errors = {}, {}
    for folder, folders, files in os.walk(root):
        folders[:] = [one for one in folders if one != ".git"]
        for file in files:
            path = Path(folder, file)
            name = path.relative_to(root).as_posix()
            ecosystem, reader = reader_of(name)
            if reader is None or path.is_symlink() or path.stat().st_size > 4_000_000:
                continue
            found = Found()
            try:
                reader(path, found)
            except Exception as error:  # pylint: disable=broad-except
                # Any library may give up on what people commit; that is no answer, and is said.
                errors[name] = f"{type(error).__name__}: {str(error)[:120]}"
                continue
            listed = {key: sorted(str(one) for one in getattr(found, key) if one) for key in ("names", "also", "own")}
            manifests[name] = {"ecosystem": ecosystem, "aside": bool(ASIDE.search(name.rpartition("/")[0])), **listed, "facts": found.facts}
    json.dump({"manifests": manifests, "errors": errors}, sys.stdout)


if __name__ == "__main__":
    sys.setrecursionlimit(5000)
    main(sys.argv[1])
