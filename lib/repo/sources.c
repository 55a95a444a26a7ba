/* What every subscriber that works on repositories needs: the database, the keys, the GitHub client. */
#include <sys/resource.h>

#include "lib/repo/repo.h"

const char rb_repo_sources_help[] =
    "  DATABASE_URL          postgresql://user:password@host:5432/database, required\n"
    "  SECRET_KEY            the one of the edge, required; SECRET_KEY_PREVIOUS while rotating\n"
    "  GITHUB_API_URL        https://api.github.com\n";

rb_err rb_repo_sources_start(struct rb_repo_sources *sources, struct rb_config *config,
                             const char *user_agent)
{
    sources->database_url =
        rb_config_string(config, "DATABASE_URL", NULL, "postgresql://user:password@host:5432/database");
    const char *key = rb_config_secret(config, "SECRET_KEY", RB_SECRET_KEY_MIN, true);
    const char *previous = rb_config_secret(config, "SECRET_KEY_PREVIOUS", RB_SECRET_KEY_MIN, false);
    const struct rb_github_options options = {
        .base_url =
            rb_config_url(config, "GITHUB_API_URL", "https://api.github.com", "the address of GitHub's API"),
        .user_agent = user_agent,
    };
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    rb_err err = rb_config_check(config);
    if (!err)
        err = rb_keyring_new(&sources->keyring, key, previous);
    return err ? err : rb_github_start(&sources->github, &options);
}

void rb_repo_sources_stop(struct rb_repo_sources *sources)
{
    rb_github_stop(sources->github);
    rb_keyring_free(sources->keyring);
    *sources = (struct rb_repo_sources){0};
}
