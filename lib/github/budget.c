/*
 * One budget of requests per token, as GitHub asks for ("Best practices for using the REST API"): few at
 * once, writes one after another, and silence until the time that a limit named. REST and GraphQL have rates
 * of their own and each its lane here; a secondary limit is about the person and closes both.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/github/internal.h"

#define BUDGETS_MAX 4096 /* people at once; beyond it strangers share a budget, which is slower but right */

#define BUDGET_WAIT_SECONDS \
    7200 /* GitHub's window is an hour; clocks differ; asking again is harmless then */

#define BUDGET_QUERIES 4 /* at once: each is up to 10 s of work for GitHub, which counts those too */

enum { LANE_REST, LANE_QUERY, LANES };
struct budget_lane {
    int in_flight;
    int64_t blocked_until; /* rb_clock_ms() */
    struct github_queue waiting;
};
struct github_budget {
    struct github_budget *next;
    uint8_t key[16]; /* of the token, by SHA-256: the token itself is not kept */
    int in_flight;
    bool writing;
    struct budget_lane lanes[LANES];
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
    if (!budgets->sha256)
        budgets->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!EVP_Digest(token, strlen(token), digest, &len, budgets->sha256, NULL))
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

static struct budget_lane *budget_lane(struct github_budget *budget, const struct github_call *call)
{
    return &budget->lanes[call->request.is_query ? LANE_QUERY : LANE_REST];
}

void github_budget_wait(struct github_budget *budget, struct github_call *call)
{
    call->budget = budget;
    github_queue_push(&budget_lane(budget, call)->waiting, call);
}

/* What is asked without a token is nobody's write: people sign in side by side. */
static bool budget_is_write(const struct github_call *call)
{
    return !call->request.base && call->request.method != RB_GITHUB_GET && !call->request.is_query;
}

/* The lane whose first call may start now, of two the one that ends sooner; NULL when none may. */
static struct budget_lane *budget_may_start(struct github_budget *budget, int64_t now)
{
    struct budget_lane *first = NULL;
    if (budget->in_flight >= RB_GITHUB_IN_FLIGHT)
        return NULL;
    for (int i = 0; i < LANES; i++) {
        struct budget_lane *lane = &budget->lanes[i];
        const struct github_call *call = lane->waiting.head;
        if (call && lane->blocked_until <= now && !(budget->writing && budget_is_write(call)) &&
            !(i == LANE_QUERY && lane->in_flight >= BUDGET_QUERIES) &&
            (!first || call->deadline < first->waiting.head->deadline))
            first = lane;
    }
    return first;
}

struct github_call *github_budgets_next(struct github_budgets *budgets, int64_t now)
{
    struct github_budget *least = NULL;
    struct budget_lane *lane = NULL;
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        for (int i = 0; i < LANES; i++) {
            if (budget->lanes[i].blocked_until <= now)
                budget->lanes[i].blocked_until =
                    0; /* else github_budgets_deadline() would name a time that is past */
        }
        struct budget_lane *open = budget_may_start(budget, now);
        if (open && (!least || budget->in_flight < least->in_flight)) {
            least = budget;
            lane = open;
        }
    }
    if (!least)
        return NULL;
    struct github_call *call = github_queue_pop(&lane->waiting);
    least->in_flight++;
    lane->in_flight++;
    least->writing |= budget_is_write(call);
    return call;
}

struct github_call *github_budgets_hopeless(struct github_budgets *budgets, int64_t now,
                                            int64_t *blocked_until)
{
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        for (int i = 0; i < LANES; i++) {
            struct budget_lane *lane = &budget->lanes[i];
            const struct github_call *call = lane->waiting.head;
            if (call && (call->deadline <= now || call->deadline < lane->blocked_until)) {
                *blocked_until = lane->blocked_until > now ? lane->blocked_until : 0;
                return github_queue_pop(&lane->waiting);
            }
        }
    }
    return NULL;
}

int64_t github_budgets_deadline(const struct github_budgets *budgets)
{
    int64_t next = INT64_MAX;
    for (const struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        for (int i = 0; i < LANES; i++) {
            const struct budget_lane *lane = &budget->lanes[i];
            if (!lane->waiting.head)
                continue;
            int64_t at = lane->waiting.head->deadline;
            if (lane->blocked_until && lane->blocked_until < at)
                at = lane->blocked_until;
            if (at < next)
                next = at;
        }
    }
    return next;
}

static void budget_block(struct budget_lane *lane, int64_t wait)
{
    if (wait > BUDGET_WAIT_SECONDS)
        wait = BUDGET_WAIT_SECONDS;
    int64_t until = wait > 0 ? rb_clock_ms() + wait * 1000 : 0;
    if (until > lane->blocked_until) /* what another answer named before may be later */
        lane->blocked_until = until;
}

void github_budget_ended(struct github_budget *budget, const struct github_call *call)
{
    const struct rb_github_response *response = &call->response;
    struct budget_lane *lane = budget_lane(budget, call);
    int64_t wall = rb_clock_wall_ms() / 1000;
    budget->in_flight--;
    lane->in_flight--;
    if (budget_is_write(call))
        budget->writing = false;
    if (*response->resource) /* the answer itself knows best whose rate it speaks of */
        lane = &budget->lanes[strcmp(response->resource, "graphql") == 0 ? LANE_QUERY : LANE_REST];
    int64_t wait = rb_github_wait_seconds(response);
    if (wait == 0 && response->rate_remaining == 0 && response->rate_reset > wall) /* this was the last one */
        wait = response->rate_reset - wall;
    budget_block(lane, wait);
    if (github_is_limit(response) && response->rate_remaining != 0) {
        for (int i = 0; i < LANES; i++) /* no rate is used up: this person asks too much */
            budget_block(&budget->lanes[i], wait);
    }
}

struct github_call *github_budgets_take_any(struct github_budgets *budgets)
{
    for (struct github_budget *budget = budgets->head; budget; budget = budget->next) {
        for (int i = 0; i < LANES; i++) {
            if (budget->lanes[i].waiting.head)
                return github_queue_pop(&budget->lanes[i].waiting);
        }
    }
    return NULL;
}

static bool budget_is_idle(const struct github_budget *budget, int64_t now)
{
    for (int i = 0; i < LANES; i++) {
        if (budget->lanes[i].waiting.head || budget->lanes[i].blocked_until > now)
            return false;
    }
    return budget->in_flight == 0;
}

void github_budgets_forget_idle(struct github_budgets *budgets, int64_t now, bool all)
{
    struct github_budget **link = &budgets->head;
    while (*link) {
        struct github_budget *budget = *link;
        if (!all && !budget_is_idle(budget, now)) {
            link = &budget->next;
            continue;
        }
        *link = budget->next;
        free(budget);
        budgets->count--;
    }
    if (all) {
        EVP_MD_free(budgets->sha256);
        budgets->sha256 = NULL;
    }
}
