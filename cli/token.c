/*
 * repobus token: for the administrator of a server. Makes or updates a user, stores the OAuth token sealed,
 * prints a JWT. The OAuth token comes from the environment or a prompt: arguments can be read by every user
 * of the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/github/github.h"
#include "lib/secrets/secrets.h"
#include "lib/store/store.h"

#define TOKEN_OAUTH_MAX 1024

struct token_settings {
    const char *secret_key, *database_url, *github_api_url;
};

static int token_fail(const char *what)
{
    fprintf(stderr, "repobus token: %s\n", what);
    return CLI_FAILED;
}

/* Asks on the terminal without showing what is typed. */
static bool token_prompt(char *out, size_t size)
{
    struct termios shown, hidden;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fputs("GitHub token: ", stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    char *line = fgets(out, (int)size, stdin);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputc('\n', stderr);
    if (line)
        out[strcspn(out, "\r\n")] = '\0';
    return line && *out;
}

static bool token_read_oauth(char *out, size_t size)
{
    const char *value = getenv("GITHUB_TOKEN");
    if (!value || !*value)
        return token_prompt(out, size);
    if (strlen(value) >= size)
        return false;
    snprintf(out, size, "%s", value);
    return true;
}

/* Whose token it is, as GitHub says. */
static rb_err token_identify(struct rb_github_user *user, const char *api_url, const char *oauth)
{
    const struct rb_github_options options = {.base_url = api_url, .user_agent = "repobus"};
    struct rb_github *github = NULL;
    struct rb_github_request request;
    struct rb_github_response response = {0};
    char sentence[512];
    rb_err err = rb_github_start(&github, &options);
    if (err)
        return err;
    rb_github_get_user(&request);
    err = rb_github_call(&response, github, &request, oauth);
    if (response.err || response.status)
        err = rb_github_judge(sentence, sizeof(sentence), &response, "read user", "the user");
    if (err == RB_EAUTH)
        err = rb_error_set(err, "GitHub does not accept this token");
    else if (err && (response.err || response.status))
        err = rb_error_set(err, "%s (--offline takes the login as given)", sentence);
    else if (!err)
        err = rb_github_read_user(user, &response);
    rb_github_response_clear(&response);
    rb_github_stop(github);
    return err;
}

/* The user's row, made if need be; by GitHub's number where it is known, since logins change. */
static rb_err token_user(int64_t *id, struct rb_db *db, const struct rb_github_user *user)
{
    static const struct rb_statement by_number = {
        "token_by_number",
        "insert into users (github_id, login) values ($1, $2) on conflict (github_id) do update set "
        "login = excluded.login, updated_at = now() returning id"};
    static const struct rb_statement free_login = {
        "token_free_login",
        "update users set github_id = $1, updated_at = now() where lower(login) = lower($2) and "
        "github_id is null"};
    static const struct rb_statement taken_login = {
        "token_taken_login",
        "update users set login = 'user-' || github_id, updated_at = now() where lower(login) = "
        "lower($2) and github_id <> $1"};
    static const struct rb_statement by_login = {
        "token_by_login",
        "insert into users (login) values ($1) on conflict (lower(login)) do update set updated_at = "
        "now() returning id"};
    struct rb_rows *rows = NULL;
    struct rb_param number[] = {RB_P_INT(user->id), RB_P_TEXT(user->login)},
                    login[] = {RB_P_TEXT(user->login)};
    rb_err err = RB_OK;
    if (user->id) {
        /* Made offline before, or a login that has gone to another person since. */
        err = rb_db_query(NULL, db, &free_login, number, 2);
        if (!err)
            err = rb_db_query(NULL, db, &taken_login, number, 2);
        if (!err)
            err = rb_db_query(&rows, db, &by_number, number, 2);
    } else {
        err = rb_db_query(&rows, db, &by_login, login, 1);
    }
    if (!err)
        *id = rb_rows_int(rows, 0, 0);
    rb_rows_free(rows);
    return err;
}

static rb_err token_store(int64_t *id, const struct token_settings *settings,
                          const struct rb_keyring *keyring, const struct rb_github_user *user,
                          const char *oauth)
{
    static const struct rb_statement statement = {"token_store",
                                                  "update users set token_sealed = $2 where id = $1"};
    uint8_t sealed[TOKEN_OAUTH_MAX + RB_SEAL_OVERHEAD];
    size_t len = 0;
    struct rb_db *db = NULL;
    rb_err err = rb_db_open(&db, settings->database_url, "repobus-token", 0);
    if (!err)
        err = rb_db_begin(db);
    if (!err)
        err = token_user(id, db, user);
    if (!err)
        err = rb_seal(sealed, &len, keyring, RB_PURPOSE_OAUTH_TOKEN, *id, oauth, strlen(oauth));
    if (!err) {
        struct rb_param params[] = {RB_P_INT(*id), RB_P_BYTES(sealed, len)};
        err = rb_db_query(NULL, db, &statement, params, 2);
    }
    if (!err)
        err = rb_db_commit(db);
    rb_db_close(db);
    return err;
}

static bool token_configure(struct token_settings *settings, struct rb_config *config)
{
    settings->secret_key = rb_config_secret(config, "SECRET_KEY", RB_SECRET_KEY_MIN, true);
    settings->database_url = rb_config_string(config, "DATABASE_URL", NULL, "the server's database");
    settings->github_api_url =
        rb_config_url(config, "GITHUB_API_URL", "https://api.github.com", "the address of GitHub's API");
    return rb_config_check(config) == RB_OK;
}

int cli_token(const struct cli_options *options)
{
    struct rb_config *config = rb_config_new();
    struct token_settings settings;
    struct rb_keyring *keyring = NULL;
    struct rb_github_user user = {0};
    char oauth[TOKEN_OAUTH_MAX] = "", *jwt = NULL, text[320];
    int64_t id = 0;
    int code = CLI_USAGE;
    if (!token_configure(&settings, config))
        goto out;
    if (!token_read_oauth(oauth, sizeof(oauth))) {
        fprintf(stderr,
                "repobus token: set GITHUB_TOKEN to the person's GitHub token, or type it at the prompt\n");
        goto out;
    }
    code = CLI_FAILED;
    snprintf(user.login, sizeof(user.login), "%.63s", options->login);
    if (!options->offline) {
        rb_err err = token_identify(&user, settings.github_api_url, oauth);
        if (err) {
            token_fail(rb_error_text());
            code = err == RB_EAUTH ? CLI_UNAUTHORIZED : CLI_GITHUB;
            goto out;
        }
        if (strcasecmp(user.login, options->login) != 0) {
            snprintf(text, sizeof(text), "this token belongs to %s, not to %.100s", user.login,
                     options->login);
            token_fail(text);
            goto out;
        }
    }
    if (rb_keyring_new(&keyring, settings.secret_key, NULL) ||
        token_store(&id, &settings, keyring, &user, oauth) ||
        rb_jwt_issue(&jwt, keyring, id, options->days * 86400LL)) {
        token_fail(rb_error_text());
        goto out;
    }
    if (options->json)
        printf("{\"login\":\"%s\",\"user_id\":%lld,\"token\":\"%s\"}\n", user.login, (long long)id, jwt);
    else
        puts(jwt);
    code = CLI_OK;
out:
    rb_secret_wipe(oauth, sizeof(oauth));
    rb_secret_free(jwt);
    rb_keyring_free(keyring);
    rb_config_free(config);
    return code;
}
