/*
 * One budget of requests per token, as GitHub asks for ("Best practices for using the REST API"): few at
 * once, writes one after another, and silence until the time that a limit named.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

#define BUDGETS_MAX 4096 /* people at once; beyond it strangers share a budget, which is slower but right */

#define BUDGET_WAIT_SECONDS \
    7200 /* GitHub's window is an hour; clocks differ; asking again is harmless then */

struct github_budget {
    struct github_budget *next;
    uint8_t key[16]; /* of the token, by SHA-256: the token itself is not kept */
    int in_flight;
    bool writing;
    int64_t blocked_until; /* rb_clock_ms() */
    struct github_queue waiting;
};

void github_queue_push(struct github_queue *queue, struct github_call *call)
{
    call->next = NULL;
    if (queue->tail)
        queue->tail->next = call;
    else
        queue->head = call;
    queue->tail = call;
    queue->count++;
}

struct github_call *github_queue_pop(struct github_queue *queue)
{
    struct github_call *call = queue->head;
    if (!call)
        return NULL;
    queue->head = call->next;
    if (!queue->head)
        queue->tail = NULL;
    queue->count--;
    call->next = NULL;
    return call;
}

struct github_budget *github_budget_of(struct github_budgets *budgets, const char *token)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (!EVP_Digest(token, strlen(token), digest, &len, EVP_sha256(), NULL))
        abort();
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        if (memcmp(budget->key, digest, sizeof(budget->key)) == 0)
            return budget;
    }
    if (budgets->count >= BUDGETS_MAX)
        return budgets->head;
    struct github_budget *budget = rb_calloc(1, sizeof(*budget));
    memcpy(budget->key, digest, sizeof(budget->key));
    budget->next = budgets->head;
    budgets->head = budget;
    budgets->count++;
    return budget;
}

void github_budget_wait(struct github_budget *budget, struct github_call *call)
{
    call->budget = budget;
    github_queue_push(&budget->waiting, call);
}

/* What is asked without a token is nobody's write: people sign in side by side. */
static bool budget_is_write(const struct github_call *call)
{
    return !call->request.base && call->request.method != RB_GITHUB_GET;
}

static bool budget_may_start(const struct github_budget *budget, int64_t now)
{
    const struct github_call *call = budget->waiting.head;
    return call && budget->blocked_until <= now && budget->in_flight < RB_GITHUB_IN_FLIGHT &&
           !(budget->writing && budget_is_write(call));
}

struct github_call *github_budgets_next(struct github_budgets *budgets, int64_t now)
{
    struct github_budget *least = NULL;
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        if (budget->blocked_until <= now)
            budget->blocked_until = 0; /* else github_budgets_deadline() would name a time that is past */
        if (budget_may_start(budget, now) && (!least || budget->in_flight < least->in_flight))
            least = budget;
    }
    if (!least)
        return NULL;
    struct github_call *call = github_queue_pop(&least->waiting);
    least->in_flight++;
    least->writing |= budget_is_write(call);
    return call;
}

struct github_call *github_budgets_hopeless(struct github_budgets *budgets, int64_t now,
                                            int64_t *blocked_until)
{
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        const struct github_call *call = budget->waiting.head;
        if (call && (call->deadline <= now || call->deadline < budget->blocked_until)) {
            *blocked_until = budget->blocked_until > now ? budget->blocked_until : 0;
            return github_queue_pop(&budget->waiting);
        }
    }
    return NULL;
}

int64_t github_budgets_deadline(const struct github_budgets *budgets)
{
    int64_t next = INT64_MAX;
    for (const struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        if (!budget->waiting.head)
            continue;
        int64_t at = budget->waiting.head->deadline;
        if (budget->blocked_until && budget->blocked_until < at)
            at = budget->blocked_until;
        if (at < next)
            next = at;
    }
    return next;
}

void github_budget_ended(struct github_budget *budget, const struct github_call *call)
{
    const struct rb_github_response *response = &call->response;
    int64_t wall = rb_clock_wall_ms() / 1000;
    budget->in_flight--;
    if (budget_is_write(call))
        budget->writing = false;
    int64_t wait = rb_github_wait_seconds(response);
    if (wait == 0 && response->rate_remaining == 0 && response->rate_reset > wall) /* this was the last one */
        wait = response->rate_reset - wall;
    if (wait > BUDGET_WAIT_SECONDS)
        wait = BUDGET_WAIT_SECONDS;
    int64_t until = wait > 0 ? rb_clock_ms() + wait * 1000 : 0;
    if (until > budget->blocked_until) /* what another answer named before may be later */
        budget->blocked_until = until;
}

struct github_call *github_budgets_take_any(struct github_budgets *budgets)
{
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        if (budget->waiting.head)
            return github_queue_pop(&budget->waiting);
    }
    return NULL;
}

void github_budgets_forget_idle(struct github_budgets *budgets, int64_t now, bool all)
{
    struct github_budget **link = &budgets->head;
    while (*link) {
        struct github_budget *budget = *link;
        if (!all && (budget->in_flight || budget->waiting.head || budget->blocked_until > now)) {
            link = &budget->next;
            continue;
        }
        *link = budget->next;
        free(budget);
        budgets->count--;
    }
}
