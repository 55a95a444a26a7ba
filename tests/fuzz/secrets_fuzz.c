/* What must not be believed: tokens, signatures, sealed cookies. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/secrets/secrets.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_KEY "0123456789abcdef0123456789abcdef"

static const struct rb_keyring *fuzz_keyring(void)
{
    static struct rb_keyring *keyring; /* one for all runs */
    if (!keyring)
        FUZZ_HOLDS(rb_keyring_new(&keyring, FUZZ_KEY, NULL) == RB_OK);
    return keyring;
}

static void fuzz_verify(const char *token, size_t len)
{
    struct rb_jwt jwt;
    if (rb_jwt_verify(&jwt, fuzz_keyring(), token, len))
        return;
    FUZZ_HOLDS(jwt.user_id > 0 && jwt.expires > rb_clock_wall_ms() / 1000 - 1);
    FUZZ_HOLDS(strnlen(jwt.id, sizeof(jwt.id)) < sizeof(jwt.id) && strncmp(jwt.id, "jwt:", 4) == 0);
}

/* As it comes: what is not signed with the key, which the fuzzer does not know, is refused. */
static void fuzz_jwt(const char *token, size_t len)
{
    fuzz_verify(token, len);
}

static size_t fuzz_base64(char *out, const void *data, size_t len)
{
    size_t used = (size_t)EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    while (used && out[used - 1] == '=')
        used--;
    for (size_t i = 0; i < used; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    return used;
}

/* A head and a payload, a line each, signed with the right key: what lies behind the signature. */
static void fuzz_signed_jwt(const char *text, size_t len)
{
    const char *line = memchr(text, '\n', len);
    size_t head = line ? (size_t)(line - text) : len, rest = line ? len - head - 1 : 0;
    char *token = rb_malloc(2 * len + 256);
    size_t used = fuzz_base64(token, text, head);
    token[used++] = '.';
    used += fuzz_base64(token + used, line ? line + 1 : "", rest);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), FUZZ_KEY, sizeof(FUZZ_KEY) - 1, (const unsigned char *)token, used, hash, &size);
    token[used++] = '.';
    used += fuzz_base64(token + used, hash, size);
    token[used] = '\0';
    fuzz_verify(token, used);
    free(token);
}

/* A header, and the body behind its line. */
static void fuzz_signature(const char *text, size_t len)
{
    static const char secret[] = "hook-secret";
    char right[RB_SIGNATURE_SIZE], *header = rb_strdup(text);
    const char *line = memchr(text, '\n', len), *body = line ? line + 1 : "";
    size_t body_len = line ? len - (size_t)(body - text) : 0;
    header[strcspn(header, "\n")] = '\0';
    rb_signature_make(right, secret, sizeof(secret) - 1, body, body_len);
    rb_err err = rb_signature_check(header, secret, sizeof(secret) - 1, body, body_len);
    FUZZ_HOLDS((err == RB_OK) == (strcmp(header, right) == 0));
    FUZZ_HOLDS(rb_signature_check(right, secret, sizeof(secret) - 1, body, body_len) == RB_OK);
    FUZZ_HOLDS(rb_signature_check(header, "", 0, body, body_len) == RB_EAUTH);
    free(header);
}

static void fuzz_seal(const char *text, size_t len)
{
    char *opened = NULL;
    (void)len;
    if (rb_unseal_text(&opened, fuzz_keyring(), RB_PURPOSE_SIGN_IN, text) == RB_OK)
        FUZZ_HOLDS(!"opened what was not sealed with our key");
    FUZZ_HOLDS(rb_unseal(&opened, NULL, fuzz_keyring(), RB_PURPOSE_OAUTH_TOKEN, 1, (const uint8_t *)text,
                         len) == RB_EAUTH);
    FUZZ_HOLDS(!opened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_target targets[] = {{"jwt", fuzz_jwt},
                                                 {"signed-jwt", fuzz_signed_jwt},
                                                 {"signature", fuzz_signature},
                                                 {"seal", fuzz_seal},
                                                 {NULL, NULL}};
    return fuzz_run(targets, data, size);
}
