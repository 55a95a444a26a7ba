/* Events of the edge, written to the outbox in the statement that makes them true. */
#include <stdio.h>

#include "edge/edge.h"

void edge_event_trace(char out[RB_TRACEPARENT_SIZE], const char *request)
{
    if (request)
        snprintf(out, RB_TRACEPARENT_SIZE, "%s", request);
    else
        rb_traceparent_make(out, NULL);
}

rb_err edge_event_make(struct edge_event *event, const char *traceparent, const char *subject, json_t *data)
{
    rb_uuid_make(event->id);
    return edge_event_make_again(event, traceparent, subject, data);
}

rb_err edge_event_make_again(struct edge_event *event, const char *traceparent, const char *subject,
                             json_t *data)
{
    edge_event_trace(event->trace, traceparent);
    rb_buf_init(&event->body, RB_EVENT_MAX);
    rb_err err = data ? rb_event_encode(&event->body, subject, event->id, EDGE_SOURCE, event->trace, data)
                      : rb_error_set(RB_EINTERNAL, "the event cannot be written as JSON");
    json_decref(data);
    return err;
}
