/*
 * What was open on GitHub before the repository was connected: events tell only of what happens after it.
 */
#ifndef RB_GRAPHER_OPEN_H
#define RB_GRAPHER_OPEN_H

#include "grapher/handler.h"

#define RB_OPEN_PAGES         10 /* of 100: the 1,000 newest issues and pull requests, and as many of these alone */
#define RB_OPEN_FILE_REQUESTS 50 /* for files, the newest first; the last may take 29 more pages */

/*
 * Lists open issues and pull requests once, after the first build, and writes them as if an event had told of
 * them, which wins whenever it comes. A repository without open pull requests costs one request, up to a
 * hundred of them two and one for the files of each of the newest 50; all others have their files listed with
 * their next event. What GitHub refuses for good is left out, with a line in the log. *note: what a person
 * may want to know of it, or "". Other errors are temporary: all of it may be run again.
 */
rb_err rb_grapher_list_open(const char **note, struct rb_work *work, struct rb_grapher *grapher,
                            struct grapher_local *mine, struct rb_repo_handle *handle) RB_MUST_CHECK;

#endif
