/* What the path of a file says about it. All of it pure. */
#ifndef RB_REPO_PATH_H
#define RB_REPO_PATH_H

#include <stdbool.h>

bool rb_path_is_vendored(const char *path);      /* somebody else's code, kept here */
bool rb_path_is_documentation(const char *path); /* documentation, examples, demos */
bool rb_path_is_test(const char *path);
bool rb_path_is_fixture(const char *path);  /* input of tests: not part of what the repository is */
const char *rb_path_base(const char *path); /* after the last '/' */

#endif
