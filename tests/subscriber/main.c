/*
 * repobus-test-subscriber: tries a subscriber of any language with recorded events, on a real nats-server of
 * its own; no edge, no database, no GitHub.
 *
 *   repobus-test-subscriber NAME CASES.json -- COMMAND [ARGUMENT...]
 *
 * Each case has a server's state of its own: the event is published first, then the command is started (a
 * durable consumer gets what came before it), its verdict is awaited and read from the server, what it
 * published and reported is compared, and the command must end with 0 on SIGTERM. How a case is written is in
 * docs/subscribers.md. Prints TAP; ends with 1 when a case failed, with 2 when it could not begin.
 *
 * The verdict is what the server says: an event that is answered moves the consumer's floor, one that comes
 * again is counted as redelivered, and one that was given up lies in the stream of dead letters.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/private.h"

#define PATIENCE_MS 120000 /* for a verdict: a machine may be busy, and time is not what is tested */
#define PROBE_MS    25

/* What a subscriber may ask (docs/subscribers.md), and a case answers. */
static const char *const kit_questions[] = {RB_INSTALLATION_GITHUB, RB_DELIVERY_PAYLOAD};
#define KIT_QUESTIONS (sizeof(kit_questions) / sizeof(kit_questions[0]))

struct kit {
    const char *name;
    const char *const *command;
    char dir[64];
    pid_t server, child;
    char url[128];
    struct rb_bus *bus;
    natsSubscription *questions[KIT_QUESTIONS];
    const json_t *answers; /* of the case */
    json_t *asked;         /* {"subject": …, "question": …}, in their order */
};

/* ---- the server and the command ----------------------------------------------------------------------- */

static void kit_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PROBE_MS * 1000000L}, NULL);
}

static pid_t kit_spawn(const char *const argv[], bool is_quiet)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the kit */
    int fd = is_quiet ? open("/dev/null", O_WRONLY) : STDERR_FILENO;
    if (getppid() != parent || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(127);
    execvp(argv[0], (char *const *)argv); /* which changes nothing of it */
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* {"nats":["nats://127.0.0.1:41234"], …}, which the server writes when it listens. */
static bool kit_read_ports(struct kit *kit)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/nats-server_%d.ports", kit->dir, (int)kit->server);
    json_t *ports = json_load_file(path, 0, NULL);
    const char *url = json_string_value(json_array_get(json_object_get(ports, "nats"), 0));
    if (url)
        snprintf(kit->url, sizeof(kit->url), "%s", url);
    json_decref(ports);
    return url;
}

static rb_err kit_start_server(struct kit *kit)
{
    const char *set = getenv("NATS_SERVER");
    char *binary = rb_strdup(set && *set                                  ? set
                             : access("/usr/sbin/nats-server", X_OK) == 0 ? "/usr/sbin/nats-server"
                                                                          : "nats-server");
    const char *argv[] = {binary, "-a",     "127.0.0.1",        "-p",     "-1", "-js",
                          "-sd",  kit->dir, "--ports_file_dir", kit->dir, NULL};
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;

    kit->server = kit_spawn(argv, true);
    free(binary);
    while (kit->server > 0 && !kit_read_ports(kit)) {
        if (waitpid(kit->server, NULL, WNOHANG) != 0 || rb_clock_ms() > deadline) {
            kit->server = 0;
            return rb_error_set(RB_EUNAVAILABLE,
                                "nats-server does not start: is it installed (Debian: nats-server)? "
                                "NATS_SERVER=path says where it is");
        }
        kit_pause();
    }
    rb_err err = rb_bus_connect(&kit->bus, &(struct rb_bus_options){.url = kit->url, .name = "test"});
    if (!err)
        err = rb_bus_wait(kit->bus, PATIENCE_MS);
    if (!err)
        err = rb_bus_setup(kit->bus);
    for (size_t i = 0; i < KIT_QUESTIONS && !err; i++) {
        if (natsConnection_SubscribeSync(&kit->questions[i], kit->bus->nc, kit_questions[i]) != NATS_OK)
            err = rb_error_set(RB_EUNAVAILABLE, "no subscription to %s", kit_questions[i]);
    }
    return err;
}

static int kit_remove(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void kit_stop_server(struct kit *kit)
{
    for (size_t i = 0; i < KIT_QUESTIONS; i++)
        natsSubscription_Destroy(kit->questions[i]);
    rb_bus_close(kit->bus);
    if (kit->server > 0) {
        kill(kit->server, SIGKILL);
        waitpid(kit->server, NULL, 0);
    }
    nftw(kit->dir, kit_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *kit_how(int status)
{
    return WIFEXITED(status) ? "status" : "signal";
}

static int kit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

/* ---- what the server knows ---------------------------------------------------------------------------- */

/* The last message on `subject` as JSON; NULL when there is none. */
static json_t *kit_last(struct kit *kit, const char *stream, const char *subject)
{
    natsMsg *msg = NULL;
    json_t *json = NULL;
    if (js_GetLastMsg(&msg, kit->bus->js, stream, subject, NULL, NULL) == NATS_OK)
        json = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
    natsMsg_Destroy(msg);
    return json;
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

/* Every member of `wanted` is in `have`, and equal; texts of lists and numbers as they are. */
static bool kit_holds(const json_t *have, const json_t *wanted)
{
    const char *key;
    json_t *value;
    if (!json_is_object(wanted))
        return json_equal(have, wanted);
    json_object_foreach((json_t *)wanted, key, value)
    {
        if (!kit_holds(json_object_get(have, key), value))
            return false;
    }
    return json_is_object(have);
}

static rb_err kit_compare(const char *what, const json_t *have, const json_t *wanted)
{
    if (!wanted || kit_holds(have, wanted))
        return RB_OK;
    char *a = have ? json_dumps(have, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    char *b = json_dumps(wanted, JSON_COMPACT | JSON_ENCODE_ANY);
    rb_err err = rb_error_set(RB_EINVAL, "%s: expected %s, is %.400s", what, b, a ? a : "nothing");
    free(a);
    free(b);
    return err;
}

/* ---- questions ---------------------------------------------------------------------------------------- */

static json_t *kit_answer_of(const struct kit *kit, const json_t *asked)
{
    size_t i;
    json_t *each;
    json_array_foreach((json_t *)kit->answers, i, each)
    {
        const json_t *subject = json_object_get(each, "subject"),
                     *question = json_object_get(each, "question");
        if (kit_holds(json_object_get(asked, "subject"), subject) &&
            (!question || kit_holds(json_object_get(asked, "question"), question)))
            return json_incref(json_object_get(each, "answer"));
    }
    return json_pack("{s:{s:s, s:s}}", "error", "code", "not found", "text",
                     "the case has no answer to this");
}

/* Answers what has been asked until now as the case says. */
static void kit_answer_questions(struct kit *kit)
{
    for (size_t i = 0; i < KIT_QUESTIONS; i++) {
        natsMsg *msg = NULL;
        while (natsSubscription_NextMsg(&msg, kit->questions[i], 1) == NATS_OK) {
            json_t *question = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
            json_t *asked = json_pack("{s:s, s:o?}", "subject", kit_questions[i], "question", question);
            json_t *answer = kit_answer_of(kit, asked);
            char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY) : rb_strdup("null");
            (void)natsConnection_PublishString(kit->bus->nc, natsMsg_GetReply(msg), text);
            free(text);
            json_decref(answer);
            json_array_append_new(kit->asked, asked);
            natsMsg_Destroy(msg);
        }
    }
}

static rb_err kit_compare_asked(const struct kit *kit, const json_t *wanted)
{
    rb_err err = RB_OK;
    if (!wanted)
        return RB_OK;
    for (size_t i = 0; i < json_array_size(wanted) && !err; i++)
        err = kit_compare("asked", json_array_get(kit->asked, i), json_array_get(wanted, i));
    if (!err && json_array_size(kit->asked) != json_array_size(wanted))
        err = rb_error_set(RB_EINVAL, "asked: %zu questions, expected %zu", json_array_size(kit->asked),
                           json_array_size(wanted));
    return err;
}

/* ---- the verdict -------------------------------------------------------------------------------------- */

/* "done", "reject" with the dead letter, "retry"; NULL with an error when there is none in time. */
static const char *kit_verdict(json_t **letter, struct kit *kit, const char *subject, uint64_t sequence)
{
    char dead[BUS_SUBJECT_MAX];
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;

    *letter = NULL;
    snprintf(dead, sizeof(dead), "dead.%s.%s", kit->name, subject);
    while (rb_clock_ms() < deadline) {
        kit_answer_questions(kit);
        jsConsumerInfo *info = NULL;
        bool is_answered = false, is_repeated = false;
        int status = 0;
        if (waitpid(kit->child, &status, WNOHANG) != 0) {
            kit->child = 0;
            rb_error_set(RB_EINVAL,
                         "the command ended by itself, with %s %d, and should wait for events; what it "
                         "said is on standard error",
                         kit_how(status), kit_code(status));
            return NULL;
        }
        if (js_GetConsumerInfo(&info, kit->bus->js, RB_STREAM_EVENTS, kit->name, NULL, NULL) == NATS_OK) {
            is_answered = info->AckFloor.Stream >= sequence;
            is_repeated = info->NumRedelivered > 0;
        }
        jsConsumerInfo_Destroy(info);
        if (is_answered) {
            *letter = kit_last(kit, RB_STREAM_DEAD, dead);
            return *letter ? "reject" : "done";
        }
        if (is_repeated)
            return "retry";
        kit_pause();
    }
    rb_error_set(RB_ETIMEOUT, "the event was not answered (is %s among the subjects of consumer %s?)",
                 subject, kit->name);
    return NULL;
}

/* What was published behind the event: as many as are expected, in their order. */
static rb_err kit_compare_published(struct kit *kit, uint64_t sequence, const json_t *wanted)
{
    jsStreamInfo *info = NULL;
    rb_err err = RB_OK;
    size_t count = 0;

    if (!wanted)
        return RB_OK;
    if (js_GetStreamInfo(&info, kit->bus->js, RB_STREAM_EVENTS, NULL, NULL) != NATS_OK)
        return rb_error_set(RB_EUNAVAILABLE, "the stream of events is gone");
    for (uint64_t at = sequence + 1; at <= info->State.LastSeq && !err; at++, count++) {
        natsMsg *msg = NULL;
        if (js_GetMsg(&msg, kit->bus->js, RB_STREAM_EVENTS, at, NULL, NULL) != NATS_OK)
            continue;
        json_t *event = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
        json_t *have = json_pack("{s:s, s:O}", "subject", natsMsg_GetSubject(msg), "data",
                                 json_object_get(event, "data"));
        const json_t *each = json_array_get(wanted, count);
        err = each ? kit_compare("published", have, each)
                   : rb_error_set(RB_EINVAL, "published: one on %s that is not expected",
                                  natsMsg_GetSubject(msg));
        json_decref(have);
        json_decref(event);
        natsMsg_Destroy(msg);
    }
    if (!err && count < json_array_size(wanted))
        err = rb_error_set(RB_EINVAL, "published: %zu events, expected %zu", count, json_array_size(wanted));
    jsStreamInfo_Destroy(info);
    return err;
}

static rb_err kit_compare_run(struct kit *kit, const json_t *event, const json_t *wanted)
{
    char subject[BUS_SUBJECT_MAX];
    json_int_t id = json_integer_value(json_object_get(json_object_get(event, "data"), "installation_id"));
    if (!wanted)
        return RB_OK;
    snprintf(subject, sizeof(subject), "run.%lld.%s", (long long)id, kit->name);
    json_t *run = kit_last(kit, RB_STREAM_RUNS, subject);
    rb_err err = kit_compare("run", run, wanted);
    json_decref(run);
    return err;
}

/* RB_OK when it ends with 0 on SIGTERM. */
static rb_err kit_stop_command(struct kit *kit)
{
    int status = 0;
    int64_t deadline = rb_clock_ms() + PATIENCE_MS;

    if (kit->child <= 0)
        return RB_OK;
    kill(kit->child, SIGTERM);
    /* A handler that has begun meanwhile, on another attempt, is waited for; it may ask. */
    while (waitpid(kit->child, &status, WNOHANG) == 0) {
        kit_answer_questions(kit);
        if (rb_clock_ms() > deadline) {
            kill(kit->child, SIGKILL);
            waitpid(kit->child, &status, 0);
            break;
        }
        kit_pause();
    }
    kit->child = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return RB_OK;
    return rb_error_set(RB_EINVAL, "on SIGTERM the command ends with %s %d, not with 0", kit_how(status),
                        kit_code(status));
}

/* ---- cases -------------------------------------------------------------------------------------------- */

/* Nothing of the case before is left on the server. */
static void kit_clean(struct kit *kit)
{
    static const char *const streams[] = {RB_STREAM_EVENTS, RB_STREAM_RUNS, RB_STREAM_DEAD};
    (void)js_DeleteConsumer(kit->bus->js, RB_STREAM_EVENTS, kit->name, NULL, NULL);
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        (void)js_PurgeStream(kit->bus->js, streams[i], NULL, NULL);
}

/* Without Nats-Msg-Id, so that the same event may be in several cases. */
static rb_err kit_publish(uint64_t *sequence, struct kit *kit, const char *subject, const json_t *event)
{
    jsPubAck *ack = NULL;
    char *text = json_dumps(event, JSON_COMPACT);
    natsStatus s = js_Publish(&ack, kit->bus->js, subject, text, (int)strlen(text), NULL, NULL);
    free(text);
    if (s != NATS_OK)
        return rb_error_set(RB_EINVAL, "%s cannot be published: %s", subject, natsStatus_GetText(s));
    *sequence = ack->Sequence;
    jsPubAck_Destroy(ack);
    return RB_OK;
}

static rb_err kit_judge(struct kit *kit, const char *subject, uint64_t sequence, const json_t *event,
                        const json_t *expect)
{
    json_t *letter = NULL;
    const char *wanted = json_string_value(json_object_get(expect, "verdict"));
    const char *reason = json_string_value(json_object_get(expect, "reason"));
    const char *verdict = kit_verdict(&letter, kit, subject, sequence);
    const char *said = json_string_value(json_object_get(letter, "reason"));
    rb_err err = verdict ? RB_OK : RB_EINVAL;

    if (!err && strcmp(verdict, wanted ? wanted : "done") != 0)
        err = rb_error_set(RB_EINVAL, "the verdict is %s%s%s, expected %s", verdict, said ? ": " : "",
                           said ? said : "", wanted ? wanted : "done");
    if (!err && reason && !strstr(said ? said : "", reason))
        err =
            rb_error_set(RB_EINVAL, "the reason is \"%s\", expected \"%s\" in it", said ? said : "", reason);
    json_decref(letter);
    if (!err)
        err = kit_compare_run(kit, event, json_object_get(expect, "run"));
    if (!err)
        err = kit_compare_asked(kit, json_object_get(expect, "asked"));
    return err ? err : kit_compare_published(kit, sequence, json_object_get(expect, "published"));
}

static rb_err kit_try(struct kit *kit, const json_t *each)
{
    static const char prefix[] = BUS_EVENT_TYPE_PREFIX;
    const json_t *event = json_object_get(each, "event");
    const char *type = json_string_value(json_object_get(event, "type"));
    uint64_t sequence = 0;

    if (!type || strncmp(type, prefix, sizeof(prefix) - 1) != 0)
        return rb_error_set(RB_EINVAL, "the case has no event, or its type does not begin with %s", prefix);
    const char *subject = type + sizeof(prefix) - 1;
    kit_clean(kit);
    kit->answers = json_object_get(each, "answers");
    kit->asked = json_array();
    rb_err err = kit_publish(&sequence, kit, subject, event);
    if (!err) {
        kit->child = kit_spawn(kit->command, false);
        err = kit_judge(kit, subject, sequence, event, json_object_get(each, "expect"));
    }
    char *text = err ? rb_strdup(rb_error_text()) : NULL;
    rb_err stopped = kit_stop_command(kit);
    json_decref(kit->asked);
    kit->asked = NULL;
    if (!err)
        return stopped;
    err = rb_error_set(err, "%s", text);
    free(text);
    return err;
}

static int kit_run(struct kit *kit, const json_t *cases)
{
    int failed = 0;
    size_t i;
    json_t *each;

    json_array_foreach((json_t *)cases, i, each)
    {
        const char *name = json_string_value(json_object_get(each, "name"));
        rb_err err = kit_try(kit, each);
        printf("%sok %zu - %s\n", err ? "not " : "", i + 1, name ? name : "");
        if (err)
            printf("# %s\n", rb_error_text());
        fflush(stdout);
        failed += err != RB_OK;
    }
    printf("1..%zu\n", json_array_size(cases));
    return failed || json_array_size(cases) == 0 ? 1 : 0;
}

static const char kit_help[] =
    "usage: repobus-test-subscriber NAME CASES.json -- COMMAND [ARGUMENT...]\n\n"
    "Tries the subscriber NAME, which COMMAND starts, with the events in CASES.json, on a nats-server of "
    "its\n"
    "own: no edge, no database, no GitHub. Prints TAP; ends with 1 when a case failed, 2 when it cannot "
    "begin.\n"
    "A case, of which CASES.json is a list (all of it: docs/subscribers.md, \"Its test\"):\n\n"
    "  { \"name\": \"greets\", \"event\": { a CloudEvent },\n"
    "    \"expect\": { \"verdict\": \"done\" } }    or retry, or reject; and reason, run, published, "
    "asked\n\n"
    "NATS_SERVER=path says where nats-server is. COMMAND gets NATS_URL and HEALTH_PORT.\n";

int main(int argc, char **argv)
{
    struct kit kit = {.dir = "/tmp/repobus-kit-XXXXXX"};
    json_error_t json_error;

    rb_log_init("test-subscriber");
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(kit_help, stdout);
        return 0;
    }
    if (argc < 5 || strcmp(argv[3], "--") != 0 || !bus_name_is_valid(argv[1])) {
        fputs(kit_help, stderr);
        return 2;
    }
    kit.name = argv[1];
    kit.command = (const char *const *)argv + 4;
    json_t *cases = json_load_file(argv[2], JSON_REJECT_DUPLICATES, &json_error);
    if (!json_is_array(cases)) {
        if (json_error.line > 0)
            fprintf(stderr, "%s:%d: ", argv[2], json_error.line);
        fprintf(stderr, "%s\n", cases ? "the cases are no list" : json_error.text);
        json_decref(cases);
        return 2;
    }
    if (!mkdtemp(kit.dir) || kit_start_server(&kit)) {
        fprintf(stderr, "repobus-test-subscriber: %s\n", rb_error_text());
        kit_stop_server(&kit);
        return 2;
    }
    setenv("NATS_URL", kit.url, 1);
    setenv("HEALTH_PORT", "0", 1);
    int code = kit_run(&kit, cases);
    kit_stop_server(&kit);
    json_decref(cases);
    return code;
}
