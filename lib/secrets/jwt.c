/*
 * Tokens of people. libjwt 1.10 verifies the signature with whatever algorithm the token names and looks at
 * no claim: the algorithm is pinned here, and the claims are checked here (RFC 8725, sections 3.1 and 3.10).
 */
#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/secrets/keyring.h"

#define JWT_EXPIRES_MAX 253402300799 /* 9999-12-31T23:59:59Z */
#define JWT_HASH_BYTES  32
#define JWT_KNOWN       256 /* tokens that a thread remembers: as many as a byte of a tag has values */
#define JWT_PLACES      2   /* at which one may be: by the first bytes of its tag */

/*
 * A person's requests bear one token, and to read it costs more than all else of a small request: what was
 * accepted is remembered by a keyed hash of all its bytes, until it expires. The key is the keyring's own, so
 * that another keyring knows nothing of it. Whether the person has logged out is asked elsewhere.
 */
struct jwt_known {
    unsigned char tag[JWT_HASH_BYTES];
    struct rb_jwt jwt; /* its expiry is 0 where there is none */
};

static rb_err jwt_refused(const char *why)
{
    return rb_error_set(RB_EAUTH, "the token is not accepted: %s", why);
}

/* `sub` as the user's id: decimal, positive, 64 bits, nothing else. */
static bool jwt_read_subject(int64_t *user_id, const json_t *sub)
{
    const char *text = json_string_value(sub);
    if (!text || *text < '1' || *text > '9' || strlen(text) > 19 ||
        strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *user_id = strtoll(text, NULL, 10);
    return errno == 0;
}

static rb_err jwt_check_claims(struct rb_jwt *out, jwt_t *jwt)
{
    char *text = jwt_get_grants_json(jwt, NULL);
    json_t *claims = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    rb_err err = RB_OK;
    int64_t now = (int64_t)time(NULL);
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    if (!json_is_object(claims))
        err = jwt_refused("its claims are no object");
    else if (!json_is_number(exp))
        err = jwt_refused("it has no expiry");
    else if (json_number_value(exp) <= (double)now)
        err = jwt_refused("it has expired");
    else if (nbf && (!json_is_number(nbf) || json_number_value(nbf) > (double)now))
        err = jwt_refused("it is not valid yet");
    else if (!jwt_read_subject(&out->user_id, json_object_get(claims, "sub")))
        err = jwt_refused("its subject is no user id");
    else /* a far future that no clock reaches is the end of time */
        out->expires =
            json_number_value(exp) < JWT_EXPIRES_MAX ? (int64_t)json_number_value(exp) : JWT_EXPIRES_MAX;
    json_decref(claims);
    free(text);
    return err;
}

/* Exactly two dots and a third part: libjwt takes "a.b" with an empty signature for an unsigned token. */
static bool jwt_has_three_parts(const char *token)
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    return second && second[1] && !strchr(second + 1, '.');
}

/* Of header and claims, which the signature covers: its own text may have spare bits. */
static void jwt_make_id(struct rb_jwt *jwt, const char *token)
{
    unsigned char hash[JWT_HASH_BYTES];
    size_t len = (size_t)(strrchr(token, '.') - token);
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)token, len, NULL, 0);
    memcpy(jwt->id, "jwt:", 4);
    sodium_bin2hex(jwt->id + 4, sizeof(jwt->id) - 4, hash, sizeof(hash));
}

/* The place of a token among those that this thread remembers, or the one that it may have. */
static struct jwt_known *jwt_place(const unsigned char tag[JWT_HASH_BYTES])
{
    static struct rb_per_thread of_thread = {JWT_KNOWN * sizeof(struct jwt_known), NULL, 0};
    struct jwt_known *known = rb_per_thread_get(&of_thread), *oldest = NULL;
    for (int i = 0; i < JWT_PLACES; i++) {
        struct jwt_known *place = &known[tag[i]];
        if (memcmp(place->tag, tag, JWT_HASH_BYTES) == 0)
            return place;
        if (!oldest || place->jwt.expires < oldest->jwt.expires)
            oldest = place;
    }
    return oldest;
}

static rb_err jwt_read(struct rb_jwt *out, const struct rb_keyring *keyring, const char *token, size_t len)
{
    char copy[RB_JWT_MAX + 1];
    memcpy(copy, token, len);
    copy[len] = '\0';
    rb_err err = jwt_refused("it is malformed or its signature is wrong");
    if (!jwt_has_three_parts(copy))
        goto out;
    for (int i = 0; i < KEYRING_KEYS && err; i++) {
        const struct keyring_key *key = &keyring->keys[i];
        jwt_t *jwt = NULL;
        if (!key->jwt_key || jwt_decode(&jwt, copy, key->jwt_key, (int)key->jwt_len) != 0)
            continue;
        if (jwt_get_alg(jwt) == JWT_ALG_HS256) {
            err = jwt_check_claims(out, jwt);
            jwt_free(jwt);
            break;
        }
        jwt_free(jwt);
    }
    if (!err)
        jwt_make_id(out, copy);
out:
    sodium_memzero(copy, len);
    return err;
}

rb_err rb_jwt_verify(struct rb_jwt *out, const struct rb_keyring *keyring, const char *token, size_t len)
{
    unsigned char tag[JWT_HASH_BYTES];
    if (len == 0 || len > RB_JWT_MAX || memchr(token, '\0', len))
        return jwt_refused("it is empty or too long");
    crypto_generichash(tag, sizeof(tag), (const unsigned char *)token, len, keyring->jwt_tag_key,
                       sizeof(keyring->jwt_tag_key));
    struct jwt_known *place = jwt_place(tag);
    if (place->jwt.expires > (int64_t)time(NULL) && memcmp(place->tag, tag, sizeof(tag)) == 0) {
        *out = place->jwt;
        return RB_OK;
    }
    rb_err err = jwt_read(out, keyring, token, len);
    if (!err) {
        memcpy(place->tag, tag, sizeof(tag));
        place->jwt = *out;
    }
    return err;
}

rb_err rb_jwt_issue(char **out, const struct rb_keyring *keyring, int64_t user_id, int64_t ttl_seconds)
{
    const struct keyring_key *key = &keyring->keys[0];
    jwt_t *jwt = NULL;
    char subject[24], id[RB_UUID_SIZE];
    int64_t now = (int64_t)time(NULL);
    snprintf(subject, sizeof(subject), "%lld", (long long)user_id);
    rb_uuid_make(id);
    if (jwt_new(&jwt) || jwt_set_alg(jwt, JWT_ALG_HS256, key->jwt_key, (int)key->jwt_len) ||
        jwt_add_grant(jwt, "sub", subject) || jwt_add_grant_int(jwt, "iat", now) ||
        jwt_add_grant_int(jwt, "exp", now + ttl_seconds) || jwt_add_grant(jwt, "jti", id)) {
        jwt_free(jwt);
        return rb_error_set(RB_EINTERNAL, "a token cannot be made");
    }
    *out = jwt_encode_str(jwt);
    jwt_free(jwt);
    return *out ? RB_OK : rb_error_set(RB_EINTERNAL, "a token cannot be signed");
}
