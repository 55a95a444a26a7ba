/* Events of the edge, written to the outbox in the statement that makes them true. */
#include "edge/edge.h"

rb_err edge_event_make(struct edge_event *event, const char *traceparent, const char *subject, json_t *data)
{
    rb_uuid_make(event->id);
    rb_traceparent_make(event->trace, traceparent);
    rb_buf_init(&event->body, RB_EVENT_MAX);
    rb_err err = data ? rb_event_encode(&event->body, subject, event->id, EDGE_SOURCE, event->trace, data)
                      : rb_error_set(RB_EINTERNAL, "the event cannot be written as JSON");
    json_decref(data);
    return err;
}
