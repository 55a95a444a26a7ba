/* Private to lib/github. */
#ifndef RB_GITHUB_INTERNAL_H
#define RB_GITHUB_INTERNAL_H

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "lib/github/github.h"

struct github_budget;

#define GITHUB_TIME_MAX 253402300799 /* the last second of the year 9999: what is beyond is no time */

/* One request on its way. */
struct github_call {
    struct github_call *next; /* in the list it waits in */
    struct rb_github_request request;
    char *token; /* wiped when the call ends */
    rb_github_fn fn;
    void *arg;
    int64_t deadline, started_us;
    struct github_budget *budget;
    CURL *easy;
    struct curl_slist *headers;
    struct rb_buf body;
    struct rb_github_response response;
    int redirects;
    bool too_big, head_is_whole, is_sent;
};

/* Singly linked, in order of arrival. */
struct github_queue {
    struct github_call *head, *tail;
    int count;
};
void github_queue_push(struct github_queue *queue, struct github_call *call);
struct github_call *github_queue_pop(struct github_queue *queue);

/*
 * What one token may do: RB_GITHUB_IN_FLIGHT requests at once, of them few queries, one write at a time,
 * nothing before the time that a limit named, for REST or for queries or for both. Used by the I/O thread
 * alone. Budgets that are idle and not blocked are forgotten.
 */
struct github_budgets {
    struct github_budget *head;
    int count;
    EVP_MD *sha256; /* to look for it takes longer than to use it */
};
struct github_budget *github_budget_of(struct github_budgets *budgets, const char *token);
/* The next waiting call that may start now, of whoever has the fewest under way; NULL when none may. */
struct github_call *github_budgets_next(struct github_budgets *budgets, int64_t now);
/* A waiting call that need not wait any longer, since its time is up before its budget opens; NULL when none.
 */
struct github_call *github_budgets_hopeless(struct github_budgets *budgets, int64_t now,
                                            int64_t *blocked_until);
/* When to look again although nothing arrives: the next blocked budget that opens, the next deadline;
 * INT64_MAX. */
int64_t github_budgets_deadline(const struct github_budgets *budgets);
void github_budget_wait(struct github_budget *budget, struct github_call *call);
void github_budget_ended(struct github_budget *budget, const struct github_call *call);
struct github_call *github_budgets_take_any(struct github_budgets *budgets);
void github_budgets_forget_idle(struct github_budgets *budgets, int64_t now, bool all);

/* A query that a limit refused is answered 200 with an error: makes it what REST answers, 429. */
void github_query_limit(struct rb_github_response *response);
/* The body of an answer that has one. */
struct rb_json_text github_text(const struct rb_github_response *response);
/* Whether this answer means "later": budget and judgement agree on it. */
bool github_is_limit(const struct rb_github_response *response);
/* A repository as GitHub writes it; false when its id or name is missing or breaks the rules. */
bool github_read_repo(struct rb_github_repo *repo, const json_t *json);
/* Takes away a character at the end that snprintf() has cut in two: what is shown to people stays UTF-8. */
void github_cut_text(char *text);

/* RFC 3986, section 2.1; `keep` are further characters that stay ("/" in the name of a branch). Allocated. */
char *github_encode(const char *text, const char *keep);

/* Handles of libcurl that wait for their next request, with all set that requests have in common: to make one
 * costs as much as what a small request does with it. Used by the I/O thread alone. */
#define GITHUB_HANDLES 32 /* some 10 KB each; beyond it they are made and freed */
struct github_handles {
    CURL *idle[GITHUB_HANDLES];
    int count;
};
void github_handles_free(struct github_handles *handles);

/* Gives the call a handle with what it needs; RB_EINTERNAL when libcurl has no memory. */
rb_err github_transfer_prepare(struct github_call *call, struct github_handles *handles,
                               const struct rb_github_options *options, int64_t now);
void github_transfer_release(struct github_call *call, struct github_handles *handles);
/* Fills call->response from the ended transfer. */
void github_transfer_read(struct github_call *call, CURLcode code);
/* The address to follow, owned by libcurl until the handle is used again; NULL: the answer is final. */
const char *github_transfer_redirect(struct github_call *call, const char *base_url);

#endif
