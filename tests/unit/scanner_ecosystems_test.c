/* Manifests and lock files of the ecosystems beside npm, Python, Java, Go, Rust and .NET:
 * tables of texts as people write them, and what they say. */
#include "tests/unit/scanner_help.h"

/* Rows name what is not usual, and leave out the rest. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define WANT_MAX     20

struct eco_case {
    const char *path, *text;
    struct {
        const char *name, *requirement, *kind; /* "local" behind the kind: a package of this repository */
        const char *version;                   /* NULL: none */
        const char *ecosystem;                 /* NULL: the format's */
        bool local;
    } want[WANT_MAX]; /* these, in this order, and nothing else */
};

static const struct eco_case php_and_ruby[] = {
    {"composer.json",
     "{\"name\":\"acme/shop\",\"require\":{\"php\":\"^8.2\",\"acme/parts\":\"self.version\",\"a/b\":\"^1.0 "
     "|| "
     "dev-main\"},\"require-dev\":{\"c/d\":\"*\"},\"replace\":{\"acme/parts\":\"self.version\"}}",
     {{"acme/parts", "self.version", "runtime", .local = true},
      {"a/b", "^1.0 || dev-main", "runtime"},
      {"c/d", "*", "dev"}}},
    {"Gemfile",
     "gem 'rails',\n    '~> 7.1', # the framework\n    require: false\ngem 'mine', path: '../mine'\n"
     "gem 'edge', github: 'rails/edge', branch: 'main'\npath 'engines' do\n  gem 'engine'\nend\n"
     "git 'https://u:secret@example.com/x.git' do\n  gem 'remote'\nend\ngemspec\n=begin\ngem 'no'\n=end\n"
     "x = if true\n  gem 'one'\nend\ngroup :test do gem 'inline' end\ngem %q{q}, [\">= 1\", \"< 3\"]\n"
     "gem \"#{computed}\"\n__END__\ngem 'never'\n",
     {{"rails", "~> 7.1", "runtime"},
      {"mine", "path ../mine", "runtime", .local = true},
      {"edge", "github rails/edge", "runtime"},
      {"engine", "path engines", "runtime", .local = true},
      {"remote", "git https://example.com/x.git", "runtime"},
      {"one", "", "runtime"},
      {"q", ">= 1, < 3", "runtime"}}},
    {"a.gemspec",
     "s.add_dependency(%q<rack>.freeze, [\">= 1.3\".freeze])\ns.add_development_dependency \"rspec\",\n  '~> "
     "3'\n",
     {{"rack", ">= 1.3", "runtime"}, {"rspec", "~> 3", "dev"}}},
};

static const struct eco_case elixir_and_dart[] = {
    {"mix.exs",
     "defmodule Shop.MixProject do\n  use Mix.Project\n  @version \"1.2.3\"\n  def project do\n"
     "    [app: :shop, version: @version, deps: deps()]\n  end\n  defp deps do\n    [\n"
     "      {:phoenix, \"~> 1.7 or ~> 2.0\"}, # {:no, \"1\"}\n      {:ecto, \">= 3.0.0\", only: :test},\n"
     "      {:credo, \"~> 1.7\", only: [:dev, :test], runtime: false},\n      {:esbuild, \"~> 0.8\", "
     "runtime: false},\n"
     "      {:plug, \"~> 1.0\", optional: true},\n      {:core, in_umbrella: true},\n"
     "      {:near, path: \"../near\"},\n      {:far, git: \"https://github.com/a/far.git\", tag: \"v1\"},\n"
     "      {:renamed, \"~> 1.0\", hex: :real_name},\n      {:prod, \"1.0.0\", only: [:prod, :dev]},\n"
     "      {:computed, \"~> #{@version}\"}\n    ]\n  end\n  defp patch_deps do\n    {:ok, path} = {:error, "
     "x}\n  end\n  defp aliases do\n    [{:not_a, "
     "\"dependency\"}]\n"
     "  end\nend\n",
     {{"phoenix", "~> 1.7 or ~> 2.0", "runtime"},
      {"ecto", ">= 3.0.0", "test"},
      {"credo", "~> 1.7", "dev"},
      {"esbuild", "~> 0.8", "build"},
      {"plug", "~> 1.0", "optional"},
      {"core", "", "runtime", .local = true},
      {"near", "path ../near", "runtime", .local = true},
      {"far", "git https://github.com/a/far.git", "runtime"},
      {"real_name", "~> 1.0", "runtime"},
      {"prod", "1.0.0", "runtime"},
      {"computed", "", "runtime"}}},
    {"mix.exs",
     "def project do\n  [app: :a, deps: [{:b, \"~> 1.0\", only: [:dev]}, {:c, [path: \"../c\"]}], name: {:d, "
     "\"1\"}]\nend\n",
     {{"b", "~> 1.0", "dev"}, {"c", "path ../c", "runtime", .local = true}}},
    {"rebar.config",
     "%% {no, \"1\"}\n{erl_opts, [debug_info]}.\n{deps, [{cowboy, \"2.9.0\"}, jsx,\n"
     "  {ranch, {git, \"https://github.com/ninenines/ranch.git\", {tag, \"2.1.0\"}}},\n"
     "  {mine, \"1.0\", {pkg, theirs}}]}.\n{plugins, [rebar3_hex]}.\n"
     "{profiles, [{test, [{deps, [{meck, \"0.9.2\"}]}]}, {docs, [{deps, [edown]}]}]}.\n",
     {{"cowboy", "2.9.0", "runtime"},
      {"jsx", "", "runtime"},
      {"ranch", "git https://github.com/ninenines/ranch.git 2.1.0", "runtime"},
      {"theirs", "1.0", "runtime"},
      {"rebar3_hex", "", "build"},
      {"meck", "0.9.2", "test"},
      {"edown", "", "dev"}}},
    {"pubspec.yaml",
     "name: shop\nversion: 1.10\nenvironment:\n  sdk: ^3.0.0\ndependencies:\n  flutter:\n    sdk: flutter\n"
     "  http: ^1.10\n  any:\n  near:\n    path: ../near\n  far:\n    git:\n      url: https://x/far.git\n"
     "      ref: v2\n  hosted:\n    hosted: https://pub.example\n    version: ^2.0.0\n"
     "dev_dependencies:\n  test: \">=1.0.0 <2.0.0\"\ndependency_overrides:\n  http: any\n",
     {{"flutter", "sdk flutter", "runtime"},
      {"http", "^1.10", "runtime"},
      {"any", "", "runtime"},
      {"near", "path ../near", "runtime", .local = true},
      {"far", "git https://x/far.git v2", "runtime"},
      {"hosted", "^2.0.0", "runtime"},
      {"test", ">=1.0.0 <2.0.0", "dev"}}},
};

static const struct eco_case apple[] = {
    {"Package.swift",
     "// swift-tools-version:5.9\nimport PackageDescription\nlet package = Package(\n  name: \"Shop\",\n"
     "  dependencies: [\n    .package(url: \"https://github.com/Alamofire/Alamofire.git\", from: "
     "\"5.0.0\"),\n"
     "    .package(url: \"git@github.com:apple/swift-nio\", .upToNextMajor(from: \"2.0.0\")),\n"
     "    .package(name: \"X\", url: \"https://u:t@example.com/a/x\", exact: \"1.2.3\"), // no\n"
     "    .package(url: \"https://github.com/a/r.git\", \"1.0.0\"..<\"2.0.0\"),\n"
     "    /* .package(url: \"https://no\", from: \"1\") */\n    .package(path: \"../Near\"),\n"
     "    .package(id: \"mona.List\", from: \"1.0.0\"),\n"
     "    .package(url: \"https://github.com/a/t\", branch: \"main\", traits: [\"Fast\"]),\n  ],\n"
     "  targets: [.target(name: \"Shop\", dependencies: [.product(name: \"NIO\", package: "
     "\"swift-nio\")])]\n)\n",
     {{"github.com/Alamofire/Alamofire", "from: \"5.0.0\"", "runtime"},
      {"github.com/apple/swift-nio", ".upToNextMajor(from: \"2.0.0\")", "runtime"},
      {"example.com/a/x", "exact: \"1.2.3\"", "runtime"},
      {"github.com/a/r", "\"1.0.0\"..<\"2.0.0\"", "runtime"},
      {"Near", "path ../Near", "runtime", .local = true},
      {"mona.List", "from: \"1.0.0\"", "runtime"},
      {"github.com/a/t", "branch: \"main\"", "runtime"}}},
    {"Shop.xcodeproj/project.pbxproj",
     "/* Begin XCRemoteSwiftPackageReference section */\n\t\tAA /* XCRemoteSwiftPackageReference \"x\" */ = "
     "{\n"
     "\t\t\tisa = XCRemoteSwiftPackageReference;\n\t\t\trepositoryURL = \"https://github.com/a/x.git\";\n"
     "\t\t\trequirement = {\n\t\t\t\tkind = upToNextMajorVersion;\n\t\t\t\tminimumVersion = "
     "5.1.0;\n\t\t\t};\n\t\t};\n"
     "/* End XCRemoteSwiftPackageReference section */\n",
     {{"github.com/a/x", "upToNextMajorVersion 5.1.0", "runtime"}}},
    {"Podfile",
     "platform :ios, '15.0'\ntarget 'Shop' do\n  use_frameworks!\n  pod 'Firebase/Core', '~> 10.0'\n"
     "  pod 'Near', :path => '../Near'\n  pod 'Git', :git => 'https://github.com/a/Git.git', :tag => '1.0'\n"
     "  pod 'Debug', '1.0', :configurations => ['Debug']\n  target 'ShopTests' do\n    inherit! "
     ":search_paths\n"
     "    pod 'Quick'\n  end\nend\npost_install do |installer|\n  installer.pods_project.targets.each do "
     "|t|\n"
     "  end\nend\n",
     {{"Firebase/Core", "~> 10.0", "runtime"},
      {"Near", "path ../Near", "runtime", .local = true},
      {"Git", "git https://github.com/a/Git.git", "runtime"},
      {"Debug", "1.0", "runtime"},
      {"Quick", "", "test"}}},
    {"Shop.podspec",
     "Pod::Spec.new do |s|\n  s.name = 'Shop'\n  s.version = '1.0.0'\n  s.license = { :type => 'MIT' }\n"
     "  s.dependency 'AFNetworking', '~> 4.0', '>= 4.0.1'\n  s.subspec 'UI' do |ui|\n"
     "    ui.dependency 'Shop/Core'\n  end\n  s.test_spec 'Tests' do |t|\n    t.dependency 'OCMock'\n  "
     "end\nend\n",
     {{"AFNetworking", "~> 4.0, >= 4.0.1", "runtime"},
      {"Shop/Core", "", "runtime", .local = true},
      {"OCMock", "", "test"}}},
};

static const struct eco_case native[] = {
    {"environment.yml",
     "name: shop\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - numpy>=1.20,<2\n"
     "  - conda-forge::scipy =1.9=py39\n  - pip\n  - pip:\n    - Flask==3.0\n    - -r requirements.txt\n"
     "    - \"requests[socks] >= 2\"\n",
     {{"python", "=3.11", "runtime"},
      {"numpy", ">=1.20,<2", "runtime"},
      {"scipy", "=1.9=py39", "runtime"},
      {"pip", "", "runtime"},
      {"flask", "==3.0", "runtime", .ecosystem = "pypi"},
      {"requests", ">= 2", "runtime", .ecosystem = "pypi"}}},
    {"environment-dev.yml", "dependencies:\n- pytest\n", {{"pytest", "", "dev"}}},
    {"environment.yml", "SOME_SETTING: 1\n", {{0}}},
    {"recipe/meta.yaml",
     "{% set version = \"1.0\" %}\npackage:\n  name: shop\n  version: {{ version }}\nrequirements:\n  "
     "build:\n"
     "    - {{ compiler('c') }}\n    - cmake >=3.10  # [unix]\n  host:\n  - zlib\n  run:\n    - python\n"
     "    - numpy {{ numpy }}\n  run_constrained:\n    - extra\ntest:\n  requires:\n    - pytest\n  "
     "imports:\n"
     "    - shop\nabout:\n  license: MIT\n",
     {{"cmake", ">=3.10", "build"},
      {"zlib", "", "build"},
      {"python", "", "runtime"},
      {"numpy", "{{ numpy }}", "runtime"},
      {"extra", "", "optional"},
      {"pytest", "", "test"}}},
    {"app/meta.yaml", "title: x\nrun:\n- y\n", {{0}}},
    {"pixi.toml",
     "[workspace]\nname = \"shop\"\n[dependencies]\npython = \">=3.11\"\nnumpy = \"*\"\n[pypi-dependencies]\n"
     "flask = {version = \"==3\", extras = [\"a\"]}\nnear = {path = \".\", editable = true}\n"
     "[feature.test.dependencies]\npytest = \"*\"\n[target.linux-64.build-dependencies]\ncmake = \"3.*\"\n",
     {{"numpy", "", "runtime"},
      {"python", ">=3.11", "runtime"},
      {"flask", "==3", "runtime", .ecosystem = "pypi"},
      {"near", "path .", "runtime", .ecosystem = "pypi", .local = true},
      {"cmake", "3.*", "build"},
      {"pytest", "", "dev"}}},
    {"CMakeLists.txt",
     "cmake_minimum_required(VERSION 3.16)\nproject(shop VERSION 1.2 LANGUAGES CXX)\n# find_package(No)\n"
     "#[[ find_package(No2) ]]\nfind_package(Boost 1.70 REQUIRED COMPONENTS system)\nfind_package(ZLIB)\n"
     "FIND_PACKAGE(GTest REQUIRED)\nfind_package(${X} REQUIRED)\nmessage(\"find_package(No3)\")\n"
     "pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0>=2.50 gio-2.0)\n"
     "FetchContent_Declare(fmt\n  GIT_REPOSITORY https://github.com/fmtlib/fmt.git\n  GIT_TAG 10.2.1 # x\n)\n"
     "FetchContent_Declare(json URL https://u:p@example.com/json.tar.xz)\n"
     "CPMAddPackage(\"gh:nlohmann/json@3.11.3\")\n"
     "CPMAddPackage(NAME spdlog GITHUB_REPOSITORY gabime/spdlog VERSION 1.12.0)\n",
     {{"Boost", "1.70", "runtime"},
      {"ZLIB", "", "optional"},
      {"GTest", "", "test"},
      {"glib-2.0", ">=2.50", "runtime"},
      {"gio-2.0", "", "runtime"},
      {"fmt", "https://github.com/fmtlib/fmt.git 10.2.1", "runtime"},
      {"json", "https://example.com/json.tar.xz", "runtime"},
      {"json", "https://github.com/nlohmann/json 3.11.3", "runtime"},
      {"spdlog", "https://github.com/gabime/spdlog 1.12.0", "runtime"}}},
    {"vcpkg.json",
     "{\"name\":\"shop\",\"version\":\"1.0\",\"dependencies\":[\"fmt\",{\"name\":\"zlib\",\"version>=\":\"1."
     "2.11#9\"},"
     "{\"name\":\"cmake-tools\",\"host\":true},\"pinned\"],\"overrides\":[{\"name\":\"pinned\",\"version\":"
     "\"2.0\"}],"
     "\"features\":{\"tests\":{\"dependencies\":[\"gtest\"]},\"gui\":{\"dependencies\":[\"qt\"]}}}",
     {{"fmt", "", "runtime"},
      {"zlib", ">= 1.2.11#9", "runtime"},
      {"cmake-tools", "", "build"},
      {"pinned", "= 2.0", "runtime"},
      {"gtest", "", "test"},
      {"qt", "", "optional"}}},
    {"conanfile.txt",
     "[requires]\nfmt/9.1.0\nzlib/[>=1.2.11 <2] # note\nold/1.0@user/stable\n[tool_requires]\ncmake/3.27.9\n"
     "[test_requires]\ngtest/1.14.0\n[generators]\nCMakeDeps/x\n",
     {{"fmt", "9.1.0", "runtime"},
      {"zlib", "[>=1.2.11 <2]", "runtime"},
      {"old", "1.0@user/stable", "runtime"},
      {"cmake", "3.27.9", "build"},
      {"gtest", "1.14.0", "test"}}},
    {"conanfile.py",
     "from conan import ConanFile\nclass Shop(ConanFile):\n    name = \"shop\"\n    requires = \"a/1.0\", "
     "\"b/2.0\"\n"
     "    tool_requires = [\n        'cmake/3.27.9',\n    ]\n    url = \"https://x/y\"\n"
     "    def requirements(self):\n        self.requires(\"fmt/9.1.0\", transitive_headers=True)\n"
     "        # self.requires(\"no/1\")\n        self.test_requires(f\"gtest/{self.v}\")\n"
     "        self.requires(self.computed)\n",
     {{"a", "1.0", "runtime"},
      {"b", "2.0", "runtime"},
      {"cmake", "3.27.9", "build"},
      {"fmt", "9.1.0", "runtime"}}},
};

static const struct eco_case infrastructure[] = {
    {"Dockerfile",
     "# syntax=docker/dockerfile:1\nARG TAG=3.19\nARG BASE=\"alpine:${TAG}\"\n"
     "FROM --platform=$BUILDPLATFORM golang:1.22-bookworm@sha256:abc AS build\nRUN go build \\\n  # note\n  "
     "./...\n"
     "FROM build AS more\nCOPY --from=ghcr.io/a/tool:v1 /x /x\nCOPY --from=build /y /y\nCOPY --from=0 /z /z\n"
     "from ${BASE} as last\nRUN --mount=type=bind,from=busybox:1,target=/b true\nFROM scratch\nFROM "
     "${NEVER}/x\n"
     "FROM registry.example:5000/a/b:${UNKNOWN:-7}\n",
     {{"golang", "1.22-bookworm@sha256:abc", "build"},
      {"ghcr.io/a/tool", "v1", "build"},
      {"alpine", "3.19", "build"},
      {"busybox", "1", "build"},
      {"registry.example:5000/a/b", "7", "runtime"}}},
    {".devcontainer/Dockerfile", "FROM docker.io/library/debian\n", {{"debian", "", "dev"}}},
    {"compose.yaml",
     "x-base: &base\n  image: redis:${REDIS:-7.2}\nservices:\n  cache:\n    <<: *base\n  db:\n"
     "    image: docker.io/library/postgres:16-alpine\n  app:\n    build: .\n    image: acme/app:dev\n"
     "  other:\n    image: ${IMAGE}\n  tagged:\n    image: nginx:${TAG}\n",
     {{"redis", "7.2", "runtime"},
      {"postgres", "16-alpine", "runtime"},
      {"acme/app", "dev", "runtime", .local = true},
      {"nginx", "${TAG}", "runtime"}}},
    {".gitlab-ci.yml",
     "image: ruby:3.3\nvariables:\n  image: no:1\ndefault:\n  services:\n    - postgres:16\n    - name: "
     "redis:7\n"
     "test:\n  image:\n    name: ghcr.io/a/b@sha256:abc\n    entrypoint: [\"\"]\nrefer: !reference [.a, b]\n"
     "computed:\n  image: $IMAGE\n",
     {{"ruby", "3.3", "build"},
      {"postgres", "16", "build"},
      {"redis", "7", "build"},
      {"ghcr.io/a/b", "@sha256:abc", "build"}}},
    {".circleci/config.yml",
     "jobs:\n  a:\n    docker:\n      - image: cimg/node:20.1\n",
     {{"cimg/node", "20.1", "build"}}},
    {"flake.nix",
     "{\n  inputs.nixpkgs.url = \"github:NixOS/nixpkgs/nixos-24.05\"; # note\n  inputs = {\n    utils = { "
     "url = "
     "\"github:numtide/flake-utils\"; };\n    far.url = \"git+https://u:p@example.com/x?ref=main\";\n"
     "    near.url = \"path:./near\";\n    lab.url = \"gitlab:a/b/main?dir=x\";\n  };\n  outputs = { self }: "
     "{\n"
     "    src = fetchurl { url = \"https://example.com/${v}\"; };\n  };\n}\n",
     {{"NixOS/nixpkgs", "nixos-24.05", "build"},
      {"numtide/flake-utils", "", "build"},
      {"git+https://example.com/x", "", "build"},
      {"gitlab:a/b", "main", "build"}}},
    {"docker-compose.test.yml", "services:\n  a:\n    image: mysql:8\n", {{"mysql", "8", "test"}}},
    {".github/workflows/ci.yml",
     "jobs:\n  a:\n    container: node:20\n    services:\n      db:\n        image: postgres:16\n    steps:\n"
     "      - uses: actions/checkout@0123456789012345678901234567890123456789 # v4.1.7\n"
     "      - uses: \"a/b/c@0123456789012345678901234567890123456780\"   # tag=v2\n"
     "      - uses: actions/checkout@0123456789012345678901234567890123456789 # v4.1.7\n"
     "      - uses: actions/checkout@v3 # v3 is old\n      - uses: "
     "d/e@0123456789012345678901234567890123456781 # why\n"
     "        with:\n          container: no:1\n          image: no:2\n      - uses: docker://alpine:3\n"
     "  b:\n    container:\n      image: ${{ matrix.image }}\n  c:\n    container:\n      image: "
     "ghcr.io/a/b:1\n",
     {{"node", "20", "build", .ecosystem = "docker"},
      {"postgres", "16", "build", .ecosystem = "docker"},
      {"actions/checkout", "0123456789012345678901234567890123456789", "build", "v4.1.7"},
      {"a/b/c", "0123456789012345678901234567890123456780", "build", "v2"},
      {"actions/checkout", "v3", "build"},
      {"d/e", "0123456789012345678901234567890123456781", "build"},
      {"alpine", "3", "build", .ecosystem = "docker"},
      {"ghcr.io/a/b", "1", "build", .ecosystem = "docker"}}},
    {"tool/action.yml",
     "name: x\nruns:\n  using: composite\n  steps:\n    - uses: actions/cache@v4\n",
     {{"actions/cache", "v4", "build"}}},
    {"action.yml",
     "runs:\n  using: docker\n  image: docker://alpine:3.19\n",
     {{"alpine", "3.19", "build", .ecosystem = "docker"}}},
    {".pre-commit-config.yaml",
     "repos:\n- repo: https://github.com/psf/black.git\n  rev: 24.1.0\n  hooks: [{id: black}]\n- repo: "
     "local\n"
     "- repo: https://u:p@gitlab.com/a/b\n  rev: v1\n",
     {{"psf/black", "24.1.0", "dev"}, {"gitlab.com/a/b", "v1", "dev"}}},
    {"chart/Chart.yaml",
     "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies:\n- name: redis\n  version: 18.x.x\n"
     "  repository: oci://registry/charts\n- name: postgresql\n  version: 13.2.0\n  condition: "
     "postgresql.enabled\n"
     "- name: common\n  version: 1.0.0\n  repository: file://../common\n",
     {{"redis", "18.x.x", "runtime"},
      {"postgresql", "13.2.0", "optional"},
      {"common", "1.0.0", "runtime", .local = true}}},
    {"chart/values.yaml",
     "image:\n  registry: docker.io\n  repository: acme/shop\n  tag: 1.10\nsidecar:\n  image: "
     "\"busybox:1.36\"\n"
     "metrics:\n  image:\n    repository: quay.io/a/b\n    digest: sha256:abc\ninitImage: name\nport: 80\n",
     {{"acme/shop", "1.10", "runtime"},
      {"busybox", "1.36", "runtime"},
      {"quay.io/a/b", "@sha256:abc", "runtime"}}},
    {"main.tf",
     "terraform {\n  required_version = \">= 1.3\"\n  required_providers {\n    aws = {\n"
     "      source  = \"registry.terraform.io/hashicorp/aws\"\n      version = \"~> 5.0\" # note\n"
     "      configuration_aliases = [aws.a]\n    }\n    old = \"~> 2\"\n    acme = { source = \"acme/cloud\" "
     "}\n  }\n"
     "  backend \"s3\" {\n    bucket = \"x\"\n  }\n}\nmodule \"vpc\" {\n"
     "  source  = \"terraform-aws-modules/vpc/aws//modules/x\"\n  version = \"5.1.2\"\n"
     "  tags = { source = \"no\", version = \"no\" }\n}\nmodule \"near\" {\n  source = \"./near\"\n}\n"
     "module \"git\" {\n  source = \"git::https://u:t@github.com/a/b.git//sub?ref=v1.2.0&depth=1\"\n}\n"
     "module \"ssh\" {\n  source = \"git@github.com:a/c.git\"\n}\nmodule \"port\" {\n"
     "  source = \"git::ssh://git@git.example.com:2222/a/d.git?ref=v1\"\n}\nmodule \"computed\" {\n  source "
     "= "
     "\"${var.x[\"a\"]}/y\"\n}\n"
     "resource \"x\" \"y\" {\n  source = \"a/b/c\"\n  text = <<-EOT\n    module \"no\" {\n      source = "
     "\"a/b/d\"\n    }\n  EOT\n}\n",
     {{"hashicorp/aws", "~> 5.0", "runtime"},
      {"hashicorp/old", "~> 2", "runtime"},
      {"acme/cloud", "", "runtime"},
      {"terraform-aws-modules/vpc/aws", "5.1.2", "runtime"},
      {"github.com/a/b//sub", "v1.2.0", "runtime"},
      {"github.com/a/c", "", "runtime"},
      {"git.example.com:2222/a/d", "v1", "runtime"}}},
};

static void check_wanted(const struct eco_case *row, const struct rb_scan_sheet *sheet, const char *ecosystem)
{
    size_t count = 0;
    for (; count < WANT_MAX && row->want[count].name; count++) {
        if (count >= sheet->count)
            fail_msg("%s: %s is missing", row->path, row->want[count].name);
        const struct rb_scan_dependency *item = &sheet->items[count];
        const char *version = row->want[count].version ? row->want[count].version : "";
        const char *eco = row->want[count].ecosystem ? row->want[count].ecosystem : ecosystem;
        if (strcmp(item->name, row->want[count].name) != 0 ||
            strcmp(item->requirement, row->want[count].requirement) != 0 ||
            strcmp(item->kind, row->want[count].kind) != 0 || strcmp(item->version, version) != 0 ||
            strcmp(item->ecosystem, eco) != 0 || item->local != row->want[count].local)
            fail_msg("%s, number %zu, %s: it is %s \"%s\" \"%s\" %s %s %s", row->path, count,
                     row->want[count].name, item->ecosystem, item->name, item->requirement, item->kind,
                     item->version, item->local ? "local" : "");
    }
    if (sheet->count != count)
        fail_msg("%s: %zu dependencies, the last is %s", row->path, sheet->count,
                 sheet->items[sheet->count - 1].name);
}

static void check_cases(const struct eco_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        if (read_manifest(&sheet, arena, cases[i].path, cases[i].text))
            fail_msg("%s: %s", cases[i].path, rb_error_text());
        check_wanted(&cases[i], &sheet, rb_scan_format_of(cases[i].path)->ecosystem);
        rb_arena_free(arena);
    }
}

static void test_php_and_ruby(void **state)
{
    (void)state;
    check_cases(php_and_ruby, COUNT(php_and_ruby));
}

static void test_elixir_and_dart(void **state)
{
    (void)state;
    check_cases(elixir_and_dart, COUNT(elixir_and_dart));
}

static void test_apple(void **state)
{
    (void)state;
    check_cases(apple, COUNT(apple));
}

static void test_native(void **state)
{
    (void)state;
    check_cases(native, COUNT(native));
}

static void test_infrastructure(void **state)
{
    (void)state;
    check_cases(infrastructure, COUNT(infrastructure));
}

/* ---- lock files --------------------------------------------------------------------------------------- */

struct lock_case {
    const char *path, *text;
    struct {
        const char *name, *version;
        bool direct, local, dev;
    } want[8]; /* these, in this order, and nothing else */
};

static const struct lock_case locks[] = {
    {"composer.lock",
     "{\"packages\":[{\"name\":\"a/b\",\"version\":\"v1.2.3\"},{\"name\":\"my/"
     "part\",\"version\":\"dev-main\",\"dist\":"
     "{\"type\":\"path\",\"url\":\"parts/x\"}}],\"packages-dev\":[{\"name\":\"c/d\",\"version\":\"11.0\"}]}",
     {{"a/b", "v1.2.3"}, {"my/part", "dev-main", .local = true}, {"c/d", "11.0", .dev = true}}},
    {"Gemfile.lock",
     "GIT\n  remote: https://x\n  revision: abc\n  specs:\n    edge (1.0)\n\nPATH\n  remote: .\n  specs:\n"
     "    mine (0.1)\n      rack (>= 2)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri "
     "(1.18.2)\n"
     "      racc (~> 1.4)\n    nokogiri (1.18.2-x86_64-linux-gnu)\n    rack (3.0.0)\n\nPLATFORMS\n  ruby\n\n"
     "DEPENDENCIES\n  edge!\n  nokogiri (~> 1.18)\n\nCHECKSUMS\n    no (9.9)\n\nBUNDLED WITH\n   2.5.0\n",
     {{"edge", "1.0", .direct = true},
      {"mine", "0.1", .local = true},
      {"nokogiri", "1.18.2", .direct = true},
      {"nokogiri", "1.18.2", .direct = true},
      {"rack", "3.0.0"}}},
    {"mix.lock",
     "%{\n  \"jason\": {:hex, :jason, \"1.4.1\", \"af1504\", [:mix], [{:decimal, \"~> 1.0\", [hex: "
     ":decimal]}], "
     "\"hexpm\", \"fbb0\"},\n  \"heroicons\": {:git, \"https://github.com/a/h.git\", \"0435d4\", [tag: "
     "\"v2\"]},\n"
     "  \"plug\": {:hex, :plug, \"1.15.0\", \"x\", [:mix], [], \"hexpm\", \"y\"},\n}\n",
     {{"jason", "1.4.1"}, {"heroicons", "0435d4"}, {"plug", "1.15.0"}}},
    {"rebar.lock",
     "{\"1.2.0\",\n[{<<\"cowboy\">>,{pkg,<<\"cowboy\">>,<<\"2.9.0\">>},0},\n"
     " {<<\"cowlib\">>,{pkg,<<\"cowlib\">>,<<\"2.11.0\">>},1},\n"
     " {<<\"x\">>,{git,\"https://github.com/a/x.git\",{ref,\"abc\"}},0}]}.\n[\n{pkg_hash,[\n"
     " {<<\"cowboy\">>, <<\"865D\">>}]}\n].\n",
     {{"cowboy", "2.9.0", .direct = true}, {"cowlib", "2.11.0"}, {"x", "abc", .direct = true}}},
    {"pubspec.lock",
     "packages:\n  http:\n    dependency: \"direct main\"\n    description: {name: http}\n    source: "
     "hosted\n"
     "    version: \"1.10\"\n  meta:\n    dependency: transitive\n    source: hosted\n    version: "
     "\"1.9.0\"\n  near:\n"
     "    dependency: \"direct dev\"\n    source: path\n    version: \"0.1.0\"\n",
     {{"http", "1.10", .direct = true}, {"meta", "1.9.0"}, {"near", "0.1.0", true, true, true}}},
    {"Package.resolved",
     "{\"pins\":[{\"identity\":\"alamofire\",\"kind\":\"remoteSourceControl\",\"location\":"
     "\"https://github.com/Alamofire/Alamofire.git\",\"state\":{\"revision\":\"f4\",\"version\":\"5.8.1\"}},"
     "{\"identity\":\"b\",\"location\":\"https://github.com/a/"
     "b\",\"state\":{\"branch\":\"main\",\"revision\":\"c0ffee\"}}],"
     "\"version\":2}",
     {{"github.com/Alamofire/Alamofire", "5.8.1"}, {"github.com/a/b", "c0ffee"}}},
    {"x/Package.resolved",
     "{\"object\":{\"pins\":[{\"package\":\"A\",\"repositoryURL\":\"git@github.com:a/A.git\",\"state\":"
     "{\"branch\":null,\"revision\":\"1\",\"version\":\"2.0.0\"}}]},\"version\":1}",
     {{"github.com/a/A", "2.0.0"}}},
    {"Podfile.lock",
     "PODS:\n  - Firebase/Core (8.0.0):\n    - Firebase/CoreOnly\n  - Firebase/CoreOnly (8.0.0)\n  - Near "
     "(0.1)\n"
     "  - \"A/B+c (7.5)\"\n\nDEPENDENCIES:\n  - Firebase/Core (~> 8.0)\n  - Near (from `../Near`)\n\n"
     "EXTERNAL SOURCES:\n  Near:\n    :path: \"../Near\"\n",
     {{"Firebase/Core", "8.0.0", .direct = true},
      {"Firebase/CoreOnly", "8.0.0"},
      {"Near", "0.1", .direct = true, .local = true},
      {"A/B+c", "7.5"}}},
    {"pixi.lock",
     "version: 6\nenvironments:\n  default:\n    packages:\n      linux-64:\n"
     "      - conda: https://c/linux-64/no-1-h_0.conda\npackages:\n"
     "- conda: https://c/noarch/python-dateutil-2.9.0-pyhd8ed1ab_0.conda\n  sha256: x\n  depends:\n  - six "
     ">=1.5\n"
     "- conda: https://c/linux-64/zlib-1.2-h_1.tar.bz2\n- conda: https://c/odd.conda\n"
     "- pypi: https://f/Requests-2.whl\n  name: Requests\n  version: 2.32.3\n  requires_dist:\n  - idna<4\n"
     "- pypi: ./\n  name: shop\n  version: 0.1.0\n",
     {{"python-dateutil", "2.9.0"},
      {"zlib", "1.2"},
      {"requests", "2.32.3"},
      {"shop", "0.1.0", .local = true}}},
    {"old/pixi.lock",
     "version: 5\npackages:\n- kind: conda\n  name: zlib\n  version: '1.10'\n  url: https://c/x.conda\n"
     "- kind: pypi\n  name: A_b\n  version: '1.0'\n",
     {{"zlib", "1.10"}, {"a-b", "1.0"}}},
    {"conda-lock.yml",
     "version: 1\nmetadata:\n  platforms: [linux-64]\npackage:\n- name: python\n  version: 3.12.0\n  "
     "manager: conda\n"
     "  platform: linux-64\n  dependencies:\n    zlib: '>=1'\n  category: main\n- name: PyTest\n  version: "
     "'8.0'\n"
     "  manager: pip\n  category: dev\n",
     {{"python", "3.12.0"}, {"pytest", "8.0", .dev = true}}},
    {"deno.lock",
     "{\"version\":\"5\",\"specifiers\":{\"jsr:@std/assert@1\":\"1.0.9\",\"npm:preact@*\":\"10.25.0_a@1\","
     "\"https://x/y.ts\":\"1\"},\"jsr\":{\"@std/assert@1.0.9\":{\"integrity\":\"x\",\"dependencies\":"
     "[\"jsr:@std/internal\"]}},\"npm\":{\"preact@10.25.0_a@1\":{\"integrity\":\"x\"}},\"remote\":{}}",
     {{"@std/assert", "1.0.9"}, {"preact", "10.25.0"}, {"@std/assert", "1.0.9"}, {"preact", "10.25.0"}}},
    {"old/deno.lock",
     "{\"version\":\"3\",\"packages\":{\"specifiers\":{\"npm:chalk@5\":\"npm:chalk@5.3.0\"},\"npm\":{"
     "\"chalk@5.3.0\":{\"dependencies\":{\"no\":\"no@1\"}}}}}",
     {{"chalk", "5.3.0"}, {"chalk", "5.3.0"}}},
    {"conan.lock",
     "{\"version\":\"0.5\",\"requires\":[\"zlib/1.2.11#rev%1665936469.01\"],\"build_requires\":[\"cmake/"
     "3.27.9#r\"]}",
     {{"zlib", "1.2.11"}, {"cmake", "3.27.9"}}},
    {"old/conan.lock",
     "{\"graph_lock\":{\"nodes\":{\"0\":{\"path\":\"conanfile.py\"},\"1\":{\"ref\":\"fmt/9.1.0#r\"}}}}",
     {{"fmt", "9.1.0"}}},
    {"Chart.lock",
     "dependencies:\n- name: redis\n  repository: oci://x\n  version: 18.1.0\ndigest: sha256:x\n",
     {{"redis", "18.1.0", .direct = true}}},
    {"flake.lock",
     "{\"root\":\"root\",\"nodes\":{\"root\":{\"inputs\":{\"nixpkgs\":\"nixpkgs\"}},\"nixpkgs\":{\"locked\":"
     "{\"type\":\"github\",\"owner\":\"NixOS\",\"repo\":\"nixpkgs\",\"rev\":\"abc\"}},\"systems\":{"
     "\"locked\":"
     "{\"type\":\"gitlab\",\"owner\":\"a\",\"repo\":\"b\",\"rev\":\"def\"}}}}",
     {{"NixOS/nixpkgs", "abc", .direct = true}, {"gitlab:a/b", "def"}}},
    {".terraform.lock.hcl",
     "# maintained\nprovider \"registry.terraform.io/hashicorp/aws\" {\n  version     = \"5.31.0\"\n"
     "  constraints = \"~> 5.0\"\n  hashes = [\n    \"h1:x\",\n  ]\n}\n",
     {{"hashicorp/aws", "5.31.0"}}},
};

static void test_locks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(locks); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        size_t count = 0;
        assert_true(rb_scan_format_of(locks[i].path)->is_lock);
        if (read_manifest(&sheet, arena, locks[i].path, locks[i].text))
            fail_msg("%s: %s", locks[i].path, rb_error_text());
        for (; count < COUNT(locks[i].want) && locks[i].want[count].name; count++) {
            if (count >= sheet.locked_count)
                fail_msg("%s: %s is missing", locks[i].path, locks[i].want[count].name);
            const struct rb_scan_locked *item = &sheet.locked[count];
            if (strcmp(item->name, locks[i].want[count].name) != 0 ||
                strcmp(item->version, locks[i].want[count].version) != 0 ||
                item->direct != locks[i].want[count].direct || item->local != locks[i].want[count].local ||
                (strcmp(item->kind, "dev") == 0) != locks[i].want[count].dev)
                fail_msg("%s, %s: it is %s %s %s%s%s", locks[i].path, locks[i].want[count].name, item->name,
                         item->version, item->kind, item->direct ? " direct" : "",
                         item->local ? " local" : "");
        }
        assert_int_equal(sheet.locked_count, count);
        assert_int_equal(sheet.count, 0);
        rb_arena_free(arena);
    }
}

/* A lock names versions for what the manifest asks, and brings what only it knows: asked for or not. */
static void test_locks_are_joined(void **state)
{
    (void)state;
    static const struct made_file files[] = {{"Gemfile", 1}, {"Gemfile.lock", 1}};
    static const char *const texts[] = {
        "gem 'rails', '~> 7.1'\ngem 'mine', path: '.'\n%w[a b].each { |x| gem x }\n",
        "PATH\n  specs:\n    mine (0.1)\nGEM\n  specs:\n    a (1.0)\n    rack (3.0)\n    rails (7.1.2)\n"
        "DEPENDENCIES\n  a\n  mine!\n  rails (~> 7.1)\n"};
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = make_tree(files, COUNT(files), arena);
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    assert_int_equal(scan.manifest_count, COUNT(texts));
    for (size_t i = 0; i < COUNT(texts); i++)
        rb_scan_read(&scan, i, texts[i], strlen(texts[i]));
    rb_scan_settle(&scan);
    assert_int_equal(scan.sheet.count, 4);
    assert_string_equal(find_dependency(&scan.sheet, "rails")->version, "7.1.2");
    assert_false(find_dependency(&scan.sheet, "rails")->indirect);
    assert_true(find_dependency(&scan.sheet, "mine")->local);
    assert_string_equal(find_dependency(&scan.sheet, "mine")->version, "");
    assert_string_equal(find_dependency(&scan.sheet, "a")->manifest, "Gemfile.lock");
    assert_false(find_dependency(&scan.sheet, "a")->indirect);
    assert_true(find_dependency(&scan.sheet, "rack")->indirect);
    rb_arena_free(arena);
}

/* Xcode keeps the lock of a project inside of it; that of a package beside it is another's. */
static void test_xcode_locks(void **state)
{
    (void)state;
    static const struct made_file files[] = {
        {"A.xcodeproj/project.pbxproj", 1},
        {"A.xcodeproj/project.xcworkspace/xcshareddata/swiftpm/Package.resolved", 1},
        {"B.xcodeproj/project.pbxproj", 1},
        {"Package.resolved", 1}};
    static const char *const project =
        "/* Begin XCRemoteSwiftPackageReference section */\nrepositoryURL = "
        "\"https://github.com/a/x\";\nrequirement = {kind = branch; branch = main;};\n";
    struct rb_arena *arena = rb_arena_new();
    struct rb_tree tree = make_tree(files, COUNT(files), arena);
    struct rb_scan scan;
    rb_scan_survey(&scan, &tree, arena);
    assert_int_equal(scan.manifest_count, COUNT(files));
    for (size_t i = 0; i < COUNT(files); i++) {
        const char *path = scan.manifests[i].path;
        const char *version = strchr(path, '/') ? "1.0" : "2.0";
        const char *text = strstr(path, "pbxproj")
                               ? project
                               : rb_arena_printf(arena,
                                                 "{\"pins\":[{\"location\":\"https://github.com/a/x\","
                                                 "\"state\":{\"version\":\"%s\"}}]}",
                                                 version);
        rb_scan_read(&scan, i, text, strlen(text));
    }
    rb_scan_settle(&scan);
    size_t seen = 0;
    for (size_t i = 0; i < scan.sheet.count; i++) {
        const struct rb_scan_dependency *item = &scan.sheet.items[i];
        if (item->indirect)
            continue;
        assert_string_equal(item->version, item->manifest[0] == 'A' ? "1.0" : "");
        seen++;
    }
    assert_int_equal(seen, 2);
    rb_arena_free(arena);
}

/* ---- packages of the repository ------------------------------------------------------------------------ */

static void test_packages(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *name, *version, *licence;
    } rows[] = {
        {"composer.json", "{\"name\":\"a/b\",\"license\":[\"MIT\",\"GPL-2.0\"]}", "a/b", "",
         "MIT OR GPL-2.0"},
        {"x.gemspec", "s.name = 'real'\ns.version = \"1.0\"\ns.license = 'MIT'\n", "real", "1.0", "MIT"},
        {"x.gemspec", "s.version = X::VERSION\n", "x", "", ""},
        {"mix.exs", "@version \"2.1\"\ndef project do\n [app: :shop,\n version: @version]\nend\n", "shop",
         "2.1", ""},
        {"pubspec.yaml", "name: shop\nversion: 1.10\n", "shop", "1.10", ""},
        {"Package.swift", "let package = Package(name: \"Shop\")", "Shop", "", ""},
        {"S.podspec", "s.name = 'S'\ns.version = '1'\ns.license = {:type => 'MIT', :file => 'L'}\n", "S", "1",
         "MIT"},
        {"CMakeLists.txt", "project(shop VERSION 1.2)\nproject(other)", "shop", "1.2", ""},
        {"recipe/meta.yaml", "package:\n  name: shop\n  version: \"1.0\"\nrequirements:\n", "shop", "1.0",
         ""},
        {"Chart.yaml", "name: shop\nversion: 0.1.0\n", "shop", "0.1.0", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        assert_int_equal(read_manifest(&sheet, arena, rows[i].path, rows[i].text), RB_OK);
        if (sheet.package_count != 1)
            fail_msg("%s: %zu packages", rows[i].path, sheet.package_count);
        assert_string_equal(sheet.packages[0].name, rows[i].name);
        assert_string_equal(sheet.packages[0].version, rows[i].version);
        assert_string_equal(sheet.packages[0].licence, rows[i].licence);
        rb_arena_free(arena);
    }
}

static void test_scripts_and_entries(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    const char *text =
        "{\"name\":\"a/b\",\"bin\":[\"bin/tool\"],\"scripts\":{\"test\":[\"lint\",\"phpunit\"]},"
        "\"repositories\":[{\"type\":\"path\",\"url\":\"parts/*\"},{\"type\":\"vcs\"}]}";
    assert_int_equal(read_manifest(&sheet, arena, "composer.json", text), RB_OK);
    assert_int_equal(sheet.packages[0].script_count, 1);
    assert_string_equal(sheet.packages[0].scripts[0].command, "lint && phpunit");
    assert_int_equal(sheet.packages[0].entry_count, 1);
    assert_string_equal(sheet.packages[0].entries[0].command, "bin/tool");
    assert_int_equal(sheet.members, 1);
    assert_int_equal(read_manifest(&sheet, arena, "pubspec.yaml",
                                   "name: x\nexecutables:\n  a:\n  b: c\nworkspace: [d, e]\n"),
                     RB_OK);
    assert_int_equal(sheet.packages[0].entry_count, 2);
    assert_string_equal(sheet.packages[0].entries[0].command, "bin/a.dart");
    assert_string_equal(sheet.packages[0].entries[1].command, "bin/c.dart");
    assert_int_equal(sheet.members, 2);
    rb_arena_free(arena);
}

/* Whatever part of a file is there, its parser comes to an end. */
static void test_cut_files_end(void **state)
{
    (void)state;
    const struct {
        const struct eco_case *cases;
        size_t count;
    } all[] = {{php_and_ruby, COUNT(php_and_ruby)},
               {elixir_and_dart, COUNT(elixir_and_dart)},
               {apple, COUNT(apple)},
               {native, COUNT(native)},
               {infrastructure, COUNT(infrastructure)}};
    for (size_t i = 0; i < COUNT(all); i++) {
        for (size_t k = 0; k < all[i].count; k++) {
            const char *whole = all[i].cases[k].text;
            for (size_t len = 0; len < strlen(whole); len++) {
                struct rb_arena *arena = rb_arena_new();
                struct rb_scan_sheet sheet;
                char *cut =
                    rb_malloc(len + 1); /* exactly as long as it is, so that one byte too far is seen */
                memcpy(cut, whole, len);
                cut[len] = 0;
                rb_err err = read_manifest(&sheet, arena, all[i].cases[k].path, cut);
                assert_true(err == RB_OK || err == RB_EINVAL);
                assert_true(sheet.count <= WANT_MAX);
                free(cut);
                rb_arena_free(arena);
            }
        }
    }
    for (size_t k = 0; k < COUNT(locks); k++) {
        for (size_t len = 0; len < strlen(locks[k].text); len++) {
            struct rb_arena *arena = rb_arena_new();
            struct rb_scan_sheet sheet;
            char *cut = rb_malloc(len + 1);
            memcpy(cut, locks[k].text, len);
            cut[len] = 0;
            rb_err err = read_manifest(&sheet, arena, locks[k].path, cut);
            assert_true(err == RB_OK || err == RB_EINVAL);
            assert_true(sheet.locked_count <= 8);
            free(cut);
            rb_arena_free(arena);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_php_and_ruby),
        cmocka_unit_test(test_elixir_and_dart),
        cmocka_unit_test(test_apple),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_infrastructure),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_locks_are_joined),
        cmocka_unit_test(test_xcode_locks),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_scripts_and_entries),
        cmocka_unit_test(test_cut_files_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
