/* What the path of a file says about it. All of it pure. */
#ifndef RB_REPO_PATH_H
#define RB_REPO_PATH_H

#include <stdbool.h>

/* By the patterns of linguist, which the shares of languages go by; but SUSPECT is ours. */
#define RB_PATH_VENDORED      1 /* somebody else's code, kept here */
#define RB_PATH_DOCUMENTATION 2
#define RB_PATH_GENERATED     4 /* made by a tool */
#define RB_PATH_SUSPECT       8 /* named as tools name what they make; only the content proves it */
/* Of the shares of languages, unless a content says otherwise. */
#define RB_PATH_LEFT_OUT (RB_PATH_VENDORED | RB_PATH_DOCUMENTATION | RB_PATH_GENERATED | RB_PATH_SUSPECT)
/* By ours, for people who look for manifests, key files and tests. */
#define RB_PATH_TEST      16
#define RB_PATH_FIXTURE   32  /* input of tests: not part of what the repository is */
#define RB_PATH_INSTALLED 64  /* where package managers and editors put things */
#define RB_PATH_ASIDE     128 /* below a top folder of documentation, examples or demos */
/* What people call so, by linguist's patterns and by ours. */
#define RB_PATH_ANY_VENDORED      (RB_PATH_VENDORED | RB_PATH_INSTALLED)
#define RB_PATH_ANY_DOCUMENTATION (RB_PATH_DOCUMENTATION | RB_PATH_ASIDE)
/* The RB_PATH_… that hold, found in one pass over the path. */
unsigned rb_path_kinds(const char *path);

bool rb_path_is_vendored(const char *path);      /* RB_PATH_ANY_VENDORED */
bool rb_path_is_documentation(const char *path); /* RB_PATH_ANY_DOCUMENTATION */
bool rb_path_is_test(const char *path);
bool rb_path_is_fixture(const char *path);
const char *rb_path_base(const char *path); /* after the last '/' */

#endif
