/*
 * What every program of the bus reads from its environment about NATS, besides its address: how it proves who
 * it is, whom it trusts, and what an operator wants of the streams.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/private.h"

const char rb_bus_help[] = BUS_SETTINGS_HELP;

static const char *settings_file(struct rb_config *config, const char *name)
{
    const char *path = rb_config_string(config, name, "", NULL);
    if (*path && access(path, R_OK))
        rb_config_note(config, "%s: the file cannot be read", name);
    return path;
}

rb_err bus_settings_read(struct bus_settings *out)
{
    struct rb_config *config = rb_config_new();

    out->creds = settings_file(config, "NATS_CREDS");
    out->ca = settings_file(config, "NATS_CA");
    out->certificate = settings_file(config, "NATS_CERT");
    out->key = settings_file(config, "NATS_KEY");
    out->replicas = rb_config_int(config, "NATS_REPLICAS", 0, 0, 5);
    out->stream_mb = rb_config_int(config, "NATS_STREAM_MB", 0, 0, 16 * 1024 * 1024);
    if (!*out->certificate != !*out->key)
        rb_config_note(config, "NATS_CERT and NATS_KEY are needed together");
    rb_err err = rb_config_check(config);
    rb_config_free(config); /* the strings are the environment's */
    return err ? rb_error_set(RB_EINVAL, "NATS: a setting is wrong") : RB_OK;
}

natsStatus bus_settings_apply(natsOptions *options, const struct bus_settings *settings)
{
    natsStatus s = NATS_OK;

    if (*settings->creds)
        s = natsOptions_SetUserCredentialsFromFiles(options, settings->creds, NULL);
    if (s == NATS_OK && *settings->ca)
        s = natsOptions_LoadCATrustedCertificates(options, settings->ca);
    if (s == NATS_OK && *settings->certificate)
        s = natsOptions_LoadCertificatesChain(options, settings->certificate, settings->key);
    if (s == NATS_OK && (*settings->ca || *settings->certificate))
        s = natsOptions_SetSecure(options, true);
    return s;
}
