/* What lock files say of the manifests beside them: which version, and what the packages are for that nobody
 * asks for. */
#include "tests/unit/scanner_repo.h"

/* Of two versions of a package, deno's lock names the one that was asked for; pixi's are of two ecosystems.
 */
static void test_locks_of_addresses(void **state)
{
    (void)state;
    static const struct repo_file deno[] = {
        {"deno.json", "{\"imports\":{\"a\":\"npm:a@^2\",\"b\":\"jsr:@s/b@1\",\"c\":\"npm:c\"}}"},
        {"deno.lock",
         "{\"version\":\"4\",\"specifiers\":{\"npm:a@^2\":\"2.1.0\",\"npm:a@1\":\"1.9.0\",\"jsr:@s/b@1\":"
         "\"1.0.2\",\"npm:c@*\":\"3.0.0\",\"npm:c@2\":\"2.0.0\"},\"jsr\":{\"@s/"
         "b@1.0.2\":{}},\"npm\":{\"a@2.1.0\":{},\"a@1.9.0\":"
         "{},\"c@3.0.0\":{},\"c@2.0.0\":{},\"d@4.0.0\":{}}}"},
    };
    CHECK_REPO(deno, "deno.json: a ^2 = 2.1.0 (runtime)\ndeno.json: @s/b 1 = 1.0.2 (runtime)\n"
                     "deno.json: c = 3.0.0 (runtime)\ndeno.lock: a = 1.9.0 (runtime, indirect)\n"
                     "deno.lock: c = 2.0.0 (runtime, indirect)\ndeno.lock: d = 4.0.0 (runtime, indirect)\n");
    static const struct repo_file pixi[] = {
        {"pixi.toml",
         "[dependencies]\npython='3.12.*'\n[pypi-dependencies]\nflask='*'\n[feature.test.dependencies]\n"
         "pytest='*'\n"},
        {"pixi.lock", "version: 6\npackages:\n- conda: https://c/n/iniconfig-2.0.0-h_0.conda\n"
                      "- conda: https://c/n/pytest-8.3.0-h_0.conda\n  depends:\n  - iniconfig\n"
                      "- conda: https://c/n/python-3.12.1-h_0.conda\n  depends:\n  - zlib >=1\n"
                      "- conda: https://c/n/zlib-1.3-h_0.conda\n"
                      "- pypi: https://f/flask.whl\n  name: flask\n  version: 3.0.0\n"},
    };
    CHECK_REPO(pixi, "pixi.toml: python 3.12.* = 3.12.1 (runtime)\npixi.toml: flask = 3.0.0 (runtime)\n"
                     "pixi.toml: pytest = 8.3.0 (dev)\npixi.lock: iniconfig = 2.0.0 (dev, indirect)\n"
                     "pixi.lock: zlib = 1.3 (runtime, indirect)\n");
}

/* deno's locks before version 4 hold all in "packages" and answer with the whole name; what a package was
 * built beside ("_react@18.2.0") is no part of its version. */
static void test_deno_locks_of_version_3(void **state)
{
    (void)state;
    static const struct repo_file deno[] = {
        {"deno.json", "{\"imports\":{\"a\":\"npm:a@^2\",\"r\":\"npm:react-dom@18\",\"b\":\"jsr:@s/b@1\"}}"},
        {"deno.lock",
         "{\"version\":\"3\",\"packages\":{\"specifiers\":{\"npm:a@^2\":\"npm:a@2.1.0\",\"npm:a@1\":\"npm:a@"
         "1.0.0\","
         "\"npm:react-dom@18\":\"npm:react-dom@18.2.0_react@18.2.0\",\"jsr:@s/b@1\":\"jsr:@s/b@1.0.2\","
         "\"file:x\":\"1\"},\"jsr\":{\"@s/b@1.0.2\":{}},\"npm\":{\"a@2.1.0\":{},"
         "\"react-dom@18.2.0_react@18.2.0\":{},\"react@18.2.0\":{}}},\"remote\":{\"https://x\":\"h\"}}"},
    };
    CHECK_REPO(deno, "deno.json: a ^2 = 2.1.0 (runtime)\ndeno.json: react-dom 18 = 18.2.0 (runtime)\n"
                     "deno.json: @s/b 1 = 1.0.2 (runtime)\ndeno.lock: a = 1.0.0 (runtime, indirect)\n"
                     "deno.lock: react = 18.2.0 (runtime, indirect)\n");
}

/* pixi has names of Conda in addresses of two kinds and Python's as Python compares them; what lies here is
 * none of either. conda-lock says what each is for. */
static void test_locks_of_conda(void **state)
{
    (void)state;
    static const struct repo_file pixi[] = {
        {"pixi.toml", "[dependencies]\nnumpy='1.*'\n[pypi-dependencies]\nFlask_Cors='*'\n"
                      "[feature.test.pypi-dependencies]\npytest-x='*'\n"},
        {"pixi.lock",
         "version: 6\npackages:\n- conda: https://c/linux-64/numpy-1.26.4-py312_0.tar.bz2\n"
         "- conda: https://c/noarch/python-dateutil-2.9.0-pyhd_0.conda\n  depends:\n  - numpy\n"
         "- conda: https://c/noarch/none\n- pypi: https://f/c.whl\n  name: Flask_Cors\n  version: 4.0.0\n"
         "  requires_dist:\n  - Werk_Zeug>=2.0\n- pypi: https://f/p.whl\n  name: pytest-x\n  version: 1.0\n"
         "  requires_dist:\n  - Plug_Gy<2,>=1\n- pypi: https://f/g.whl\n  name: plug-gy\n  version: 1.5.0\n"
         "- pypi: https://f/w.whl\n  name: werk-zeug\n  version: 3.0.1\n"
         "- pypi: ./\n  name: mine\n  version: 0.1.0\n"},
    };
    CHECK_REPO(
        pixi,
        "pixi.toml: numpy 1.* = 1.26.4 (runtime)\npixi.toml: flask-cors = 4.0.0 (runtime)\n"
        "pixi.toml: pytest-x = 1.0 (dev)\npixi.lock: python-dateutil = 2.9.0 (runtime, indirect)\n"
        "pixi.lock: plug-gy = 1.5.0 (dev, indirect)\npixi.lock: werk-zeug = 3.0.1 (runtime, indirect)\n");
    static const struct repo_file conda[] = {
        {"environment.yml", "dependencies:\n- python=3.11\n- pip:\n  - requests\n"},
        {"conda-lock.yml",
         "version: 1\npackage:\n- name: python\n  version: 3.11.8\n  manager: conda\n  dependencies:\n"
         "    openssl: '>=3'\n  category: main\n- name: openssl\n  version: 3.2.1\n  manager: conda\n"
         "  category: main\n- name: Requests\n  version: 2.31.0\n  manager: pip\n  category: main\n"
         "- name: Pluggy_X\n  version: 1.5.0\n  manager: pip\n  category: test\n"
         "- name: sphinx\n  version: 7.2.6\n  manager: conda\n  category: extra\n"},
    };
    CHECK_REPO(
        conda,
        "environment.yml: python =3.11 = 3.11.8 (runtime)\nenvironment.yml: requests = 2.31.0 (runtime)\n"
        "conda-lock.yml: openssl = 3.2.1 (runtime, indirect)\n"
        "conda-lock.yml: sphinx = 7.2.6 (optional, indirect)\n"
        "conda-lock.yml: pluggy-x = 1.5.0 (test, indirect)\n");
}

/* What a lock does not say follows from who needs a package: at run time, or only for work on the project. */
static void test_kinds_follow_from_needs(void **state)
{
    (void)state;
    static const struct repo_file ruby[] = {
        {"Gemfile", "gem 'rails'\ngemspec\ngroup :test do\n  gem 'rspec'\nend\n"},
        {"Gemfile.lock",
         "PATH\n  specs:\n    mine (0.1)\n      diff\nGEM\n  specs:\n    diff (1.0)\n"
         "    rack (3.0)\n    rails (7.1.2)\n      rack (>= 2)\n    rspec (3.0)\n      diff (~> 1)\n"
         "DEPENDENCIES\n  rails\n  rspec\n"},
    };
    CHECK_REPO(ruby,
               "Gemfile: rails = 7.1.2 (runtime)\nGemfile: rspec = 3.0 (dev)\n"
               "Gemfile.lock: diff = 1.0 (dev, indirect)\nGemfile.lock: rack = 3.0 (runtime, indirect)\n");
    static const struct repo_file pods[] = {
        {"Podfile", "pod 'A'\ntarget 'ShopTests' do\n  pod 'Quick'\nend\n"},
        {"Podfile.lock", "PODS:\n  - A (1.0):\n    - B/Core (= 1.0)\n  - B/Core (1.0)\n  - Nimble (9.0)\n"
                         "  - Quick (4.0):\n    - Nimble\n    - B/Core\nDEPENDENCIES:\n  - A\n  - Quick\n"},
    };
    CHECK_REPO(
        pods, "Podfile: A = 1.0 (runtime)\nPodfile: Quick = 4.0 (test)\n"
              "Podfile.lock: B/Core = 1.0 (runtime, indirect)\nPodfile.lock: Nimble = 9.0 (dev, indirect)\n");
    static const struct repo_file mix[] = {
        {"mix.exs", "defp deps do\n  [{:plug, \"~> 1.0\"}, {:credo, \"~> 1.7\", only: :dev}]\nend\n"},
        {"mix.lock",
         "%{\n  \"bunt\": {:hex, :bunt, \"1.0.0\", \"x\", [:mix], [], \"hexpm\", \"y\"},\n"
         "  \"credo\": {:hex, :credo, \"1.7.0\", \"x\", [:mix], [{:bunt, \"~> 0.2\", [hex: :bunt, "
         "repo: \"hexpm\", optional: false]}, {:file, \"~> 1\", [hex: :file_system, repo: \"hexpm\", "
         "optional: false]}], \"hexpm\", \"y\"},\n"
         "  \"file\": {:hex, :file_system, \"1.0.0\", \"x\", [:mix], [], \"hexpm\", \"y\"},\n"
         "  \"mime\": {:hex, :mime, \"2.0.0\", \"x\", [:mix], [], \"hexpm\", \"y\"},\n"
         "  \"plug\": {:hex, :plug, \"1.15.0\", \"x\", [:mix], [{:mime, \"~> 2\", [hex: :mime, repo: "
         "\"hexpm\", optional: false]}, {:bunt, \"~> 1\", [hex: :bunt, repo: \"hexpm\", optional: "
         "true]}], \"hexpm\", \"y\"},\n}\n"},
    };
    CHECK_REPO(mix, "mix.exs: plug ~> 1.0 = 1.15.0 (runtime)\nmix.exs: credo ~> 1.7 = 1.7.0 (dev)\n"
                    "mix.lock: bunt = 1.0.0 (dev, indirect)\nmix.lock: file_system = 1.0.0 (dev, indirect)\n"
                    "mix.lock: mime = 2.0.0 (runtime, indirect)\n");
    static const struct repo_file cargo[] = {
        {"Cargo.toml",
         "[package]\nname='shop'\n[dependencies]\nserde='1'\n[dev-dependencies]\ncriterion='0.5'\n"},
        {"Cargo.lock",
         "[[package]]\nname='shop'\nversion='0.1.0'\ndependencies=['criterion','serde']\n"
         "[[package]]\nname='criterion'\nversion='0.5.1'\nsource='r'\ndependencies=['plotters 1.0.0']\n"
         "[[package]]\nname='plotters'\nversion='1.0.0'\nsource='r'\n"
         "[[package]]\nname='ryu'\nversion='1.0.0'\nsource='r'\n"
         "[[package]]\nname='serde'\nversion='1.0.9'\nsource='r'\ndependencies=['ryu']\n"},
    };
    CHECK_REPO(cargo,
               "Cargo.toml: serde 1 = 1.0.9 (runtime)\nCargo.toml: criterion 0.5 = 0.5.1 (dev)\n"
               "Cargo.lock: plotters = 1.0.0 (dev, indirect)\nCargo.lock: ryu = 1.0.0 (runtime, indirect)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locks_of_addresses),
        cmocka_unit_test(test_deno_locks_of_version_3),
        cmocka_unit_test(test_locks_of_conda),
        cmocka_unit_test(test_kinds_follow_from_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
