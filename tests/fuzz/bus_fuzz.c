/* What lies on the bus, which anybody may have put there. */
#include "bus/bus.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_event(const char *body, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_event event;
    if (rb_event_decode(&event, body, len, arena) == RB_OK) {
        FUZZ_HOLDS(*event.id && event.subject && event.source && event.time && event.traceparent);
        FUZZ_HOLDS(json_is_object(event.data));
    }
    rb_arena_free(arena);
}

/* What is read as a run is written and read as the same one. */
static void fuzz_run_record(const char *body, size_t len)
{
    struct rb_arena *arena = rb_arena_new();
    struct rb_run run, again;
    struct rb_buf text;
    rb_buf_init(&text, RB_EVENT_MAX);
    if (rb_run_decode(&run, body, len, arena) == RB_OK) {
        FUZZ_HOLDS(run.installation_id > 0 && *run.subscriber && run.note && run.error);
        FUZZ_HOLDS(run.done >= 0 && run.total >= 0 && run.attempt >= 0);
        FUZZ_HOLDS(*rb_run_state_name(run.state));
        if (rb_run_encode(&text, &run) == RB_OK) {
            FUZZ_HOLDS(rb_run_decode(&again, text.data, text.len, arena) == RB_OK);
            FUZZ_HOLDS(again.installation_id == run.installation_id && again.generation == run.generation &&
                       again.state == run.state && again.attempt == run.attempt && again.done == run.done &&
                       again.total == run.total && strcmp(again.subscriber, run.subscriber) == 0);
        }
    }
    rb_buf_free(&text);
    rb_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {
        {"event", fuzz_event}, {"run", fuzz_run_record}, {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
