/* Seals that must not open, tokens that must not pass, signatures that must not match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jwt.h>

#include "lib/secrets/secrets.h"

#define KEY     "0123456789abcdef0123456789abcdef"
#define OLD_KEY "fedcba9876543210fedcba9876543210"

static struct rb_keyring *keyring(const char *key, const char *previous)
{
    struct rb_keyring *ring = NULL;
    assert_int_equal(rb_keyring_new(&ring, key, previous), RB_OK);
    return ring;
}

static void seal_opens_only_in_its_place(void **state)
{
    (void)state;
    struct rb_keyring *ring = keyring(KEY, NULL);
    uint8_t sealed[64 + RB_SEAL_OVERHEAD];
    size_t len = 0, plain_len = 0;
    char *plain = NULL;
    assert_int_equal(rb_seal(sealed, &len, ring, "a.b", 7, "secret", 6), RB_OK);
    assert_int_equal(len, 6 + RB_SEAL_OVERHEAD);
    assert_int_equal(rb_unseal(&plain, &plain_len, ring, "a.b", 7, sealed, len), RB_OK);
    assert_string_equal(plain, "secret");
    assert_int_equal(plain_len, 6);
    rb_secret_free(plain);
    assert_int_equal(rb_unseal(&plain, NULL, ring, "a.b", 8, sealed, len), RB_EAUTH);
    assert_int_equal(rb_unseal(&plain, NULL, ring, "a.c", 7, sealed, len), RB_EAUTH);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(rb_unseal(&plain, NULL, ring, "a.b", 7, sealed, cut), RB_EAUTH);
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= 0x40;
        assert_int_equal(rb_unseal(&plain, NULL, ring, "a.b", 7, sealed, len), RB_EAUTH);
        sealed[i] ^= 0x40;
    }
    uint8_t again[64 + RB_SEAL_OVERHEAD];
    assert_int_equal(rb_seal(again, &len, ring, "a.b", 7, "secret", 6), RB_OK);
    assert_memory_not_equal(sealed, again, len); /* a nonce of its own */
    rb_keyring_free(ring);
}

static void seal_survives_rotation(void **state)
{
    (void)state;
    struct rb_keyring *old = keyring(OLD_KEY, NULL), *both = keyring(KEY, OLD_KEY), *new = keyring(KEY, NULL);
    uint8_t sealed[RB_SEAL_OVERHEAD + 8];
    size_t len = 0;
    char *plain = NULL;
    assert_int_equal(rb_seal(sealed, &len, old, "p", 1, "x", 1), RB_OK);
    assert_int_equal(rb_unseal(&plain, NULL, both, "p", 1, sealed, len), RB_OK);
    rb_secret_free(plain);
    assert_int_equal(rb_unseal(&plain, NULL, new, "p", 1, sealed, len), RB_EAUTH);
    rb_keyring_free(old);
    rb_keyring_free(both);
    rb_keyring_free(new);
}

static void keys_have_a_length(void **state)
{
    (void)state;
    struct rb_keyring *ring = NULL;
    assert_int_equal(rb_keyring_new(&ring, "short", NULL), RB_EINVAL);
    assert_int_equal(rb_keyring_new(&ring, KEY, "short"), RB_EINVAL);
    assert_null(strstr(rb_error_text(), "short"));
}

static void hook_secrets_are_hexadecimal_and_differ(void **state)
{
    (void)state;
    char one[RB_HOOK_SECRET_SIZE], two[RB_HOOK_SECRET_SIZE];
    rb_hook_secret_make(one);
    rb_hook_secret_make(two);
    assert_int_equal(strlen(one), 64);
    assert_int_equal(strspn(one, "0123456789abcdef"), 64);
    assert_string_not_equal(one, two);
}

/* ---- JWT ---------------------------------------------------------------------------------------------- */

static rb_err verify(const struct rb_keyring *ring, const char *token, int64_t *user_id)
{
    struct rb_jwt jwt = {0};
    rb_err err = rb_jwt_verify(&jwt, ring, token, strlen(token));
    *user_id = jwt.user_id;
    return err;
}

static char *token_of(const char *key, jwt_alg_t alg, const char *claims)
{
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    if (alg != JWT_ALG_NONE)
        assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, (int)strlen(key)), 0);
    char *token = jwt_encode_str(jwt);
    jwt_free(jwt);
    return token;
}

static void jwt_tells_tokens_apart(void **state)
{
    (void)state;
    struct rb_keyring *ring = keyring(KEY, NULL);
    char *one = NULL, *two = NULL;
    struct rb_jwt first, again, second;
    int64_t now = (int64_t)time(NULL);
    assert_int_equal(rb_jwt_issue(&one, ring, 42, 60), RB_OK);
    assert_int_equal(rb_jwt_issue(&two, ring, 42, 60), RB_OK);
    assert_int_equal(rb_jwt_verify(&first, ring, one, strlen(one)), RB_OK);
    assert_int_equal(rb_jwt_verify(&again, ring, one, strlen(one)), RB_OK);
    assert_int_equal(rb_jwt_verify(&second, ring, two, strlen(two)), RB_OK);
    assert_string_equal(first.id, again.id);
    assert_string_not_equal(first.id, second.id);
    assert_memory_equal(first.id, "jwt:", 4);
    assert_in_range(first.expires, now + 59, now + 62);
    rb_secret_free(one);
    rb_secret_free(two);
    rb_keyring_free(ring);
}

static void jwt_issued_is_accepted(void **state)
{
    (void)state;
    struct rb_keyring *ring = keyring(KEY, NULL);
    char *token = NULL;
    int64_t user = 0;
    struct rb_jwt jwt;
    assert_int_equal(rb_jwt_issue(&token, ring, 42, 60), RB_OK);
    assert_int_equal(verify(ring, token, &user), RB_OK);
    assert_int_equal(user, 42);
    for (size_t len = 0; len < strlen(token); len++)
        assert_int_equal(rb_jwt_verify(&jwt, ring, token, len), RB_EAUTH);
    rb_secret_free(token);
    assert_int_equal(rb_jwt_issue(&token, ring, 42, -1), RB_OK);
    assert_int_equal(verify(ring, token, &user), RB_EAUTH);
    rb_secret_free(token);
    rb_keyring_free(ring);
}

/* Every program asks this one. */
static time_t hours_ahead;
time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += hours_ahead * 3600;
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* What was accepted is remembered, and only that. */
static void jwt_that_was_accepted_is_so_until_it_expires_and_by_its_keyring_alone(void **state)
{
    (void)state;
    struct rb_keyring *ring = keyring(KEY, NULL), *other = keyring(OLD_KEY, NULL);
    struct rb_jwt first = {0}, jwt = {0};
    char *token = NULL;
    int64_t user = 0;
    assert_int_equal(rb_jwt_issue(&token, ring, 42, 7200), RB_OK);
    size_t len = strlen(token);
    assert_int_equal(rb_jwt_verify(&first, ring, token, len), RB_OK);
    assert_int_equal(rb_jwt_verify(&jwt, ring, token, len), RB_OK);
    assert_memory_equal(&jwt, &first, sizeof(jwt));
    assert_int_equal(verify(other, token, &user), RB_EAUTH);
    for (size_t i = 0; i < len; i++) {
        token[i] ^= 1;
        assert_int_equal(rb_jwt_verify(&jwt, ring, token, len - (i == len - 1)), RB_EAUTH);
        token[i] ^= 1;
    }
    hours_ahead = 1;
    assert_int_equal(rb_jwt_verify(&jwt, ring, token, len), RB_OK);
    hours_ahead = 3;
    assert_int_equal(rb_jwt_verify(&jwt, ring, token, len), RB_EAUTH);
    hours_ahead = 0;
    assert_int_equal(rb_jwt_verify(&jwt, ring, token, len), RB_OK);
    rb_secret_free(token);
    rb_keyring_free(ring);
    rb_keyring_free(other);
}

static void jwt_of_the_previous_key_is_accepted(void **state)
{
    (void)state;
    struct rb_keyring *old = keyring(OLD_KEY, NULL), *both = keyring(KEY, OLD_KEY);
    char *token = NULL;
    int64_t user = 0;
    assert_int_equal(rb_jwt_issue(&token, old, 9, 60), RB_OK);
    assert_int_equal(verify(both, token, &user), RB_OK);
    assert_int_equal(user, 9);
    rb_secret_free(token);
    rb_keyring_free(old);
    rb_keyring_free(both);
}

static void jwt_with_wrong_claims_or_algorithm_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *why, *claims, *key;
        jwt_alg_t alg;
        rb_err wanted;
    } cases[] = {
        {"right", "{\"sub\":\"5\",\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_OK},
        {"expiry with a fraction", "{\"sub\":\"5\",\"exp\":9999999999.5}", KEY, JWT_ALG_HS256, RB_OK},
        {"wrong key", "{\"sub\":\"5\",\"exp\":9999999999}", OLD_KEY, JWT_ALG_HS256, RB_EAUTH},
        {"HS384", "{\"sub\":\"5\",\"exp\":9999999999}", KEY, JWT_ALG_HS384, RB_EAUTH},
        {"HS512", "{\"sub\":\"5\",\"exp\":9999999999}", KEY, JWT_ALG_HS512, RB_EAUTH},
        {"none", "{\"sub\":\"5\",\"exp\":9999999999}", KEY, JWT_ALG_NONE, RB_EAUTH},
        {"expired", "{\"sub\":\"5\",\"exp\":1000}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"no expiry", "{\"sub\":\"5\"}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"expiry as text", "{\"sub\":\"5\",\"exp\":\"9999999999\"}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"not yet", "{\"sub\":\"5\",\"exp\":9999999999,\"nbf\":9999999998}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"nbf as text", "{\"sub\":\"5\",\"exp\":9999999999,\"nbf\":\"1\"}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"no subject", "{\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"subject as number", "{\"sub\":5,\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"subject a name", "{\"sub\":\"alice\",\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"negative", "{\"sub\":\"-5\",\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"zero", "{\"sub\":\"0\",\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"with a blank", "{\"sub\":\"5 \",\"exp\":9999999999}", KEY, JWT_ALG_HS256, RB_EAUTH},
        {"beyond 64 bits", "{\"sub\":\"9999999999999999999\",\"exp\":9999999999}", KEY, JWT_ALG_HS256,
         RB_EAUTH},
    };
    struct rb_keyring *ring = keyring(KEY, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t user = 0;
        char *token = token_of(cases[i].key, cases[i].alg, cases[i].claims);
        rb_err err = verify(ring, token, &user);
        if (err != cases[i].wanted)
            fail_msg("%s: %s", cases[i].why, rb_err_name(err));
        free(token);
    }
    rb_keyring_free(ring);
}

static void jwt_that_is_malformed_is_refused(void **state)
{
    (void)state;
    /* {"alg":"none"}, {"alg":"NoNe"}, {"alg":"RS256","typ":"JWT"}, claims {"sub":"5","exp":9999999999} */
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ.",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ.AA",
        "eyJhbGciOiJOb05lIn0.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ.",
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ.",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1IiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
    };
    struct rb_keyring *ring = keyring(KEY, NULL);
    int64_t user = 0;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (verify(ring, tokens[i], &user) != RB_EAUTH)
            fail_msg("accepted: %s", tokens[i]);
    }
    char huge[RB_JWT_MAX + 2];
    struct rb_jwt jwt;
    memset(huge, 'a', sizeof(huge));
    assert_int_equal(rb_jwt_verify(&jwt, ring, huge, sizeof(huge)), RB_EAUTH);
    rb_keyring_free(ring);
}

/* ---- signatures --------------------------------------------------------------------------------------- */

static void signature_matches_githubs_example(void **state)
{
    (void)state;
    /* docs.github.com, "Validating webhook deliveries", testing values. */
    static const char secret[] = "It's a Secret to Everybody", body[] = "Hello, World!";
    static const char wanted[] = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    char made[RB_SIGNATURE_SIZE];
    rb_signature_make(made, secret, strlen(secret), body, strlen(body));
    assert_string_equal(made, wanted);
    assert_int_equal(rb_signature_check(wanted, secret, strlen(secret), body, strlen(body)), RB_OK);
    assert_int_equal(rb_signature_check(wanted, secret, strlen(secret), body, strlen(body) - 1), RB_EAUTH);
    assert_int_equal(rb_signature_check(wanted, "", 0, body, strlen(body)), RB_EAUTH);
    assert_int_equal(rb_signature_check(NULL, secret, strlen(secret), body, strlen(body)), RB_EAUTH);
    assert_int_equal(rb_signature_check(wanted + 7, secret, strlen(secret), body, strlen(body)), RB_EAUTH);
    made[70] = made[70] == '0' ? '1' : '0';
    assert_int_equal(rb_signature_check(made, secret, strlen(secret), body, strlen(body)), RB_EAUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_opens_only_in_its_place),
        cmocka_unit_test(seal_survives_rotation),
        cmocka_unit_test(keys_have_a_length),
        cmocka_unit_test(hook_secrets_are_hexadecimal_and_differ),
        cmocka_unit_test(jwt_issued_is_accepted),
        cmocka_unit_test(jwt_tells_tokens_apart),
        cmocka_unit_test(jwt_that_was_accepted_is_so_until_it_expires_and_by_its_keyring_alone),
        cmocka_unit_test(jwt_of_the_previous_key_is_accepted),
        cmocka_unit_test(jwt_with_wrong_claims_or_algorithm_is_refused),
        cmocka_unit_test(jwt_that_is_malformed_is_refused),
        cmocka_unit_test(signature_matches_githubs_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
