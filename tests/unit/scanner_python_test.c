/* Python: manifests with their lock files, as people and tools write them. */
#include "tests/unit/scanner_repo.h"

static void test_pyproject(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"pyproject.toml",
         "[project]\nname = \"My.Shop\"\nversion = \"1\"\nlicense = {text = \"MIT\"}\nrequires-python = "
         "\">=3.9\"\n"
         "dependencies = [\"Flask[async]>=2; python_version < '3.12'\", \"near\", \"far\", "
         "\"my-shop[fast]\"]\n"
         "[project.optional-dependencies]\nfast = [\"ujson\"]\ntest = [\"pytest\"]\n"
         "[project.scripts]\nshop = \"shop.main:app\"\n[project.gui-scripts]\nshopw = \"shop.gui:app\"\n"
         "[dependency-groups]\nall = [\"tox\", {include-group = \"lint\"}]\nlint = [\"ruff\"]\n"
         "[tool.uv.sources]\nnear = {workspace = true}\nfar = {git = \"https://u:p@example.com/far\"}\n"
         "[tool.uv.workspace]\nmembers = [\"packages/*\"]\n"
         "[tool.hatch.envs.test]\ndependencies = [\"coverage\"]\n[tool.hatch.envs.test.scripts]\nrun = "
         "\"pytest\"\n"
         "[tool.pdm.scripts]\nstart = {cmd = [\"flask\"]}\n[tool.poe.tasks]\nfmt = \"ruff format\"\n"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, 1, false);
    assert_string_equal(repo_text(&scan), "pyproject.toml: flask >=2 (runtime)\n"
                                          "pyproject.toml: near (runtime, local)\n"
                                          "pyproject.toml: far @ git+https://example.com/far (runtime)\n"
                                          "pyproject.toml: my-shop (runtime, local)\n"
                                          "pyproject.toml: ujson (optional)\n"
                                          "pyproject.toml: pytest (test)\n"
                                          "pyproject.toml: tox (dev)\n"
                                          "pyproject.toml: ruff (dev)\n"
                                          "pyproject.toml: coverage (test)\n");
    assert_string_equal(scan.sheet.items[0].marker, "python_version < '3.12'");
    assert_string_equal(scan.sheet.items[1].marker, "");
    json_t *profile = rb_scan_profile(&scan, "acme/shop"), *list = json_object_get(profile, "dependencies");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "marker")),
                        "python_version < '3.12'");
    assert_null(json_object_get(json_array_get(list, 1), "marker"));
    json_decref(profile);
    assert_int_equal(scan.sheet.members, 1);
    const struct rb_scan_package *package = find_package(&scan, "pyproject.toml");
    assert_string_equal(package->name, "my-shop");
    assert_string_equal(package->licence, "MIT");
    assert_string_equal(package->engine, "python >=3.9");
    assert_string_equal(commands_text(arena, package->entries, package->entry_count),
                        "shop=shop.main:app; shopw=shop.gui:app");
    assert_string_equal(commands_text(arena, package->scripts, package->script_count),
                        "run=pytest; start=flask; fmt=ruff format");
    rb_arena_free(arena);
}

/* Poetry 2: what "project" says already is not said twice. */
static void test_poetry(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"pyproject.toml",
         "[project]\nname = \"x\"\ndependencies = [\"requests>=2\", \"mine\"]\n"
         "[tool.poetry.dependencies]\npython = \"^3.9\"\nrequests = {version = \">=2\", source = \"pypi\"}\n"
         "mine = {path = \"../mine\"}\nextra = {version = \"^1\", markers = \"sys_platform == 'win32'\"}\n"
         "[tool.poetry.group.dev.dependencies]\nPy_Test = \"^8\"\n[tool.poetry.group.docs]\noptional = true\n"
         "[tool.poetry.group.docs.dependencies]\nsphinx = \"*\"\n[tool.poetry.scripts]\nrun = {reference = "
         "\"x:main\", type = \"console\"}\n"},
        {"poetry.lock",
         "# made by Poetry\n\n[[package]]\nname = \"requests\"\nversion = \"2.31.0\"\noptional = false\n"
         "groups = [\"main\"]\nfiles = [\n    {file = \"a[[package]]\", hash = \"x\"},\n]\n\n"
         "[package.dependencies]\nidna = \">=2\"\n\n[package.extras]\nsocks = [\"PySocks (>=1)\"]\n\n"
         "[[package]]\nname = \"idna\"\nversion = \"3.4\"\ngroups = [\"dev\", \"main\"]\n\n"
         "[[package]]\nname = \"py-test\"\nversion = \"8.0.0\"\ngroups = [\"dev\"]\n\n"
         "[[package]]\nname = \"pluggy\"\nversion = \"1.0\"\ngroups = [\"dev\", \"test\"]\n\n"
         "[[package]]\nname = \"mine\"\nversion = \"0.1\"\n[package.source]\ntype = \"directory\"\nurl = "
         "\"../mine\"\n\n[[package]]\nname = \"old\"\nversion = \"1\"\ncategory = \"dev\"\n\n"
         "[metadata]\nlock-version = \"2.1\"\n[metadata.files]\nidna = [\n    {file = \"x\"},\n]\n"},
    };
    CHECK_REPO(files, "pyproject.toml: requests >=2 = 2.31.0 (runtime)\n"
                      "pyproject.toml: mine (runtime, local)\n"
                      "pyproject.toml: extra ^1 (runtime)\n"
                      "pyproject.toml: py-test ^8 = 8.0.0 (dev)\n"
                      "pyproject.toml: sphinx (dev)\n"
                      "poetry.lock: idna = 3.4 (runtime, indirect)\n"
                      "poetry.lock: old = 1 (dev, indirect)\n"
                      "poetry.lock: pluggy = 1.0 (test, indirect)\n");
}

static void test_uv_lock(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"pyproject.toml", "[project]\nname = \"app\"\ndependencies = [\"flask\"]\n"
                           "[dependency-groups]\ndev = [\"pytest\", \"split\"]\n"},
        {"packages/lib/pyproject.toml", "[project]\nname = \"lib\"\ndependencies = [\"numpy\"]\n"},
        {"uv.lock",
         "version = 1\nrequires-python = \">=3.9\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1\"\n"
         "source = { editable = \".\" }\ndependencies = [\n    { name = \"flask\" },\n]\n"
         "[package.dev-dependencies]\ndev = [\n    { name = \"pytest\" },\n]\n\n"
         "[[package]]\nname = \"flask\"\nversion = \"3.0.0\"\nsource = { registry = "
         "\"https://pypi.org/simple\" }\n"
         "dependencies = [\n    { name = \"jinja2\" },\n    { name = \"colorama\", marker = \"x\" },\n]\n"
         "wheels = [\n    { url = \"https://x/[[package]]\", hash = \"sha256:1\", size = 1 },\n]\n\n"
         "[[package]]\nname = \"jinja2\"\nversion = \"3.1.0\"\n\n"
         "[[package]]\nname = \"colorama\"\nversion = \"0.4\"\n\n[[package]]\nname = \"lib\"\nversion = "
         "\"1\"\n"
         "source = { editable = \"packages/lib\" }\n\n[[package]]\nname = \"numpy\"\nversion = \"2.0\"\n\n"
         "[[package]]\nname = \"pytest\"\nversion = \"8\"\ndependencies = [\n    { name = \"pluggy\" "
         "},\n]\n\n"
         "[[package]]\nname = \"pluggy\"\nversion = \"1\"\n\n[[package]]\nname = \"split\"\nversion = \"1\"\n"
         "resolution-markers = [\"a\"]\n\n[[package]]\nname = \"split\"\nversion = \"2\"\n"},
    };
    CHECK_REPO(files, "pyproject.toml: flask = 3.0.0 (runtime)\n"
                      "pyproject.toml: pytest = 8 (dev)\n"
                      "pyproject.toml: split (dev)\n" /* which of the two is not known */
                      "packages/lib/pyproject.toml: numpy = 2.0 (runtime)\n"
                      "uv.lock: colorama = 0.4 (runtime, indirect)\n"
                      "uv.lock: jinja2 = 3.1.0 (runtime, indirect)\n"
                      "uv.lock: pluggy = 1 (dev, indirect)\n"
                      "uv.lock: split = 1 (dev, indirect)\n"
                      "uv.lock: split = 2 (dev, indirect)\n");
}

static void test_other_locks(void **state)
{
    (void)state;
    static const struct repo_file pdm[] = {
        {"pyproject.toml",
         "[project]\nname = \"x\"\ndependencies = [\"a\"]\n[tool.pdm.dev-dependencies]\nt = [\"b\"]\n"},
        {"pdm.lock",
         "[metadata]\ngroups = [\"default\", \"t\"]\n\n[[package]]\nname = \"a\"\nversion = \"1\"\n"
         "groups = [\"default\"]\ndependencies = [\n    \"c>=1\",\n]\n\n[[package]]\nname = \"b\"\n"
         "version = \"2\"\ngroups = [\"t\"]\n\n[[package]]\nname = \"C\"\nversion = \"3\"\n"
         "groups = [\"default\"]\n\n[[package]]\nname = \"here\"\nversion = \"1\"\npath = \"./here\"\n"},
    };
    CHECK_REPO(pdm, "pyproject.toml: a = 1 (runtime)\npyproject.toml: b = 2 (dev)\n"
                    "pdm.lock: c = 3 (runtime, indirect)\n");
    static const struct repo_file pipenv[] = {
        {"Pipfile",
         "[packages]\nDjango = \"*\"\nn = {version = \">=1\", markers = \"os_name == 'nt'\"}\n"
         "[dev-packages]\npytest = \"*\"\n[docs]\nsphinx = \"*\"\n[requires]\npython_version = \"3\"\n"},
        {"Pipfile.lock",
         "{\"_meta\":{\"sources\":[{\"name\":\"pypi\",\"version\":\"no\"}],\"x\":{\"version\":\"1\"}},"
         "\"default\":{\"django\":{\"version\":\"==5.0\"},\"asgiref\":{\"version\":\"==3.7\"},"
         "\"n\":{\"version\":\"===1.1\"}},\"develop\":{\"pytest\":{\"version\":\"==8.0\"},"
         "\"iniconfig\":{\"version\":\"==2.0\"},\"local\":{\"path\":\".\"}},\"docs\":{\"sphinx\":{"
         "\"version\":\"==7\"}}}"},
        {"pylock.toml", "lock-version = \"1.0\"\n[[packages]]\nname = \"django\"\nversion = \"4.9\"\n"},
    };
    CHECK_REPO(pipenv, "Pipfile: django = 5.0 (runtime)\nPipfile: n >=1 = 1.1 (runtime)\n"
                       "Pipfile: pytest = 8.0 (dev)\nPipfile: sphinx = 7 (dev)\n"
                       "Pipfile.lock: asgiref = 3.7 (runtime, indirect)\n"
                       "pylock.toml: django = 4.9 (runtime, indirect)\n"
                       "Pipfile.lock: iniconfig = 2.0 (dev, indirect)\n");
    static const struct repo_file pylock[] = {
        {"pyproject.toml",
         "[project]\nname = \"x\"\ndependencies = [\"a\"]\n[dependency-groups]\ndev=[\"c\"]\n"},
        {"pylock.toml",
         "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1.2\"\ndependencies = "
         "[{name = \"b\"}]\n[[packages.wheels]]\nname = \"w\"\n[[packages]]\nname = \"b\"\nversion = "
         "\"2\"\n[[packages]]\nname = \"x\"\nversion = \"0\"\n[packages.directory]\npath = \".\"\n"
         "[[packages]]\nname = \"c\"\nversion = \"3\"\n"},
    };
    CHECK_REPO(pylock, "pyproject.toml: a = 1.2 (runtime)\npyproject.toml: c = 3 (dev)\n"
                       "pylock.toml: b = 2 (runtime, indirect)\n");
}

static void test_compiled_requirements(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"requirements/base.in", "Django>=4\n-c ../constraints.txt\n"},
        {"requirements/base.txt",
         "#\n# This file is autogenerated by pip-compile with Python 3.12\n# by the following command:\n#\n"
         "#    pip-compile --generate-hashes requirements/base.in\n#\n--index-url https://u:p@x/simple\n\n"
         "asgiref==3.7.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via django\n"
         "django==4.2.8 \\\n    --hash=sha256:cc\n    # via -r requirements/base.in\n"
         "sqlparse==0.4.4 ; python_version > '3'\n    # via\n    #   -r requirements/base.in\n    #   "
         "django\n"
         "typing==1    # via asgiref\n"},
        {"requirements/dev.in", "-r base.in\ndjango\n"},
        {"requirements/dev.txt", "# This file was autogenerated by uv via the following command:\n"
                                 "django==4.2.9\n    # via -r requirements/dev.in\n"},
    };
    CHECK_REPO(files, "requirements/base.in: django >=4 = 4.2.8 (runtime)\n"
                      "requirements/base.txt: asgiref ==3.7.2 = 3.7.2 (runtime, indirect)\n"
                      "requirements/base.txt: django ==4.2.8 = 4.2.8 (runtime)\n"
                      "requirements/base.txt: sqlparse ==0.4.4 = 0.4.4 (runtime)\n"
                      "requirements/base.txt: typing ==1 = 1 (runtime, indirect)\n"
                      "requirements/dev.in: django = 4.2.9 (dev)\n"
                      "requirements/dev.txt: django ==4.2.9 = 4.2.9 (dev)\n");
    static const struct repo_file plain[] = {
        {"requirements.txt", "a==1.0  # via b\nb==1.*\nc == 2.0 ; os_name=='nt'\nd>=1,==1.2\ne===1!2.0+x\n"},
    };
    CHECK_REPO(plain, "requirements.txt: a ==1.0 = 1.0 (runtime)\nrequirements.txt: b ==1.* (runtime)\n"
                      "requirements.txt: c == 2.0 = 2.0 (runtime)\nrequirements.txt: d >=1,==1.2 (runtime)\n"
                      "requirements.txt: e ===1!2.0+x = 1!2.0+x (runtime)\n");
}

static void test_setup_py(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"setup.py",
         "\"\"\"install_requires=['docstring']\"\"\"\nfrom setuptools import setup, find_packages\n"
         "import sys\nREQS = [\n  'requests>=2',  # why, 'not'\n  \"six\" \"~=1.16\",\n  'formatted%s' % x,\n"
         "  f'computed{x}', r'raw', 'last' ]\nextras = {'test': ['pytest', 'tox'],\n  'fast': FAST, "
         "':os_name==\"nt\"': "
         "['pywin32'], 'gone': read('x')}\nFAST = ('ujson',)\nOTHER = ['never']\n"
         "def setup(x): return install_requires\n"
         "def read(name): return open(name).read()\nsetup(\n    name='My_Pkg', version=get_version(),\n"
         "    license='BSD', python_requires='>=3.8',\n    install_requires=REQS + ['attrs; "
         "python_version<\"3.8\"', "
         "*FAST],\n    setup_requires=read('a') + ['no'], tests_require=OTHER[1:], "
         "packages=find_packages(exclude=['tests']),\n"
         "    extras_require=extras,\n    entry_points={'console_scripts': ['pkg = pkg.cli:main'], "
         "'flask.commands': "
         "['x=y']},\n    classifiers=['A :: B'])\n"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, 1, false);
    assert_string_equal(repo_text(&scan), "setup.py: requests >=2 (runtime)\nsetup.py: six ~=1.16 (runtime)\n"
                                          "setup.py: raw (runtime)\nsetup.py: last (runtime)\n"
                                          "setup.py: attrs (runtime)\nsetup.py: ujson (runtime)\n"
                                          "setup.py: pytest (test)\nsetup.py: tox (test)\n"
                                          "setup.py: ujson (optional)\nsetup.py: pywin32 (runtime)\n");
    const struct rb_scan_package *package = find_package(&scan, "setup.py");
    assert_string_equal(package->name, "my-pkg");
    assert_string_equal(package->version, "");
    assert_string_equal(package->licence, "BSD");
    assert_string_equal(package->engine, "python >=3.8");
    assert_string_equal(commands_text(arena, package->entries, package->entry_count), "pkg=pkg.cli:main");
    rb_arena_free(arena);

    static const struct repo_file kwargs[] = {
        {"setup.py", "VERSION = '1.2'\nname = 'no' if x else 'y'\ninstall_requires = \\\n['click>=8',\n "
                     "'rich']\nsetup_kwargs = {\n    'name': 'x',\n"
                     "    'install_requires': install_requires,\n    'extras_require': {'a': 'b\\\\nc'},\n}\n"
                     "setup(**setup_kwargs)\n"},
    };
    CHECK_REPO(kwargs, "setup.py: click >=8 (runtime)\nsetup.py: rich (runtime)\n");
}

/* Variables that name each other, brackets that do not end: it ends, and says nothing. */
static void test_setup_py_hostile(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a = [*b, *b, *b]\nb = [*a, *a, *a]\nsetup(install_requires=a)",
        "setup(install_requires=[",
        "setup(install_requires=['a' 'b",
        "setup(extras_require={'a': [}, ])",
        "setup(**x)\nx = {'a': {",
        "setup(install_requires=[['a'], ('b')], **{}, **)",
        "setup(entry_points={'console_scripts': ['=', 'a', '']})",
        "setup(",
        "x = '''",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct rb_arena *arena = rb_arena_new();
        struct rb_scan_sheet sheet;
        assert_int_equal(read_manifest(&sheet, arena, "setup.py", texts[i]), RB_OK);
        if (sheet.count)
            fail_msg("%s: %s", texts[i], sheet.items[0].name);
        rb_arena_free(arena);
    }
}

static void test_setup_cfg(void **state)
{
    (void)state;
    static const struct repo_file files[] = {
        {"setup.cfg", "[metadata]\nname = My_Pkg\nversion = attr: my.__version__\nlicense = MIT\n[options]\n"
                      "python_requires = >=3.8\ninstall_requires =\n    a>=1; os_name == 'nt'\n    # b\n"
                      "[options.extras_require]\ntests =\n    c\n[options.entry_points]\nconsole_scripts =\n"
                      "    run = my.cli:main\nplug =\n    x = y\n"},
    };
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan scan;
    repo_scan(&scan, arena, files, 1, false);
    assert_string_equal(repo_text(&scan), "setup.cfg: a >=1 (runtime)\nsetup.cfg: c (test)\n");
    assert_string_equal(scan.sheet.items[0].marker, "os_name == 'nt'");
    const struct rb_scan_package *package = find_package(&scan, "setup.cfg");
    assert_string_equal(package->name, "my-pkg");
    assert_string_equal(package->version, "");
    assert_string_equal(package->licence, "MIT");
    assert_string_equal(package->engine, "python >=3.8");
    assert_string_equal(commands_text(arena, package->entries, package->entry_count), "run=my.cli:main");
    rb_arena_free(arena);
}

/* One table that cannot be read takes none of the others along. */
static void test_a_broken_table(void **state)
{
    (void)state;
    struct rb_arena *arena = rb_arena_new();
    struct rb_scan_sheet sheet;
    rb_err err = read_manifest(&sheet, arena, "uv.lock",
                               "[[package]]\nname = \"a\"\nversion = \"1\"\n[[package]]\nname = = \"b\"\n"
                               "[[package]]\nname = \"c\"\nversion = \"3\"\n");
    assert_int_equal(err, RB_EINVAL);
    if (!strstr(rb_error_text(), "the table at line 4: TOML: line 2"))
        fail_msg("%s", rb_error_text());
    assert_int_equal(sheet.locked_count, 2);
    assert_string_equal(sheet.locked[1].name, "c");
    rb_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pyproject),
        cmocka_unit_test(test_poetry),
        cmocka_unit_test(test_uv_lock),
        cmocka_unit_test(test_other_locks),
        cmocka_unit_test(test_compiled_requirements),
        cmocka_unit_test(test_setup_py),
        cmocka_unit_test(test_setup_py_hostile),
        cmocka_unit_test(test_setup_cfg),
        cmocka_unit_test(test_a_broken_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
