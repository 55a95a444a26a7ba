/* Where a client is, as far as proxies in front can be believed. Pure. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/edge.h"

#define PEER_BITS_4 96 /* of ::ffff:0:0, in front of an IPv4 address */

/* The address as 16 bytes; `*is_4` says that it was IPv4. False: it is none. */
static bool peer_parse(uint8_t out[16], bool *is_4, const char *text)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(out, mapped, sizeof(mapped));
    *is_4 = inet_pton(AF_INET, text, out + 12) == 1;
    return *is_4 || inet_pton(AF_INET6, text, out) == 1;
}

static bool peer_is_within(const uint8_t address[16], const struct edge_network *network)
{
    int whole = network->bits / 8, rest = network->bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return memcmp(address, network->address, (size_t)whole) == 0 &&
           (rest == 0 || ((address[whole] ^ network->address[whole]) & mask) == 0);
}

static bool peer_is_proxy(const uint8_t address[16], const struct edge_proxies *proxies)
{
    for (size_t i = 0; i < proxies->count; i++) {
        if (peer_is_within(address, &proxies->networks[i]))
            return true;
    }
    return false;
}

static bool peer_parse_network(struct edge_network *network, char *text)
{
    bool is_4 = false;
    char *slash = strchr(text, '/'), *end = NULL;
    if (slash)
        *slash = '\0';
    if (!peer_parse(network->address, &is_4, text))
        return false;
    long most = is_4 ? 32 : 128, bits = slash ? strtol(slash + 1, &end, 10) : most;
    if (slash && (end == slash + 1 || *end))
        return false;
    network->bits = (int)bits + (is_4 ? PEER_BITS_4 : 0);
    return bits >= 0 && bits <= most;
}

rb_err edge_proxies_parse(struct edge_proxies *proxies, const char *text)
{
    char copy[2048], *rest = NULL;
    proxies->count = 0;
    if (strlen(text) >= sizeof(copy))
        return rb_error_set(RB_EINVAL, "longer than %zu bytes", sizeof(copy) - 1);
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *one = strtok_r(copy, ", ", &rest); one; one = strtok_r(NULL, ", ", &rest)) {
        char shown[64];
        snprintf(shown, sizeof(shown), "%s", one);
        if (proxies->count == EDGE_PROXIES_MAX)
            return rb_error_set(RB_EINVAL, "more than %d networks", EDGE_PROXIES_MAX);
        if (!peer_parse_network(&proxies->networks[proxies->count], one))
            return rb_error_set(RB_EINVAL, "%s is no address and no network such as 10.0.0.0/8", shown);
        proxies->count++;
    }
    return RB_OK;
}

void edge_client_address(char out[EDGE_ADDRESS_SIZE], const struct edge_proxies *proxies, const char *peer,
                         const char *forwarded_for)
{
    uint8_t address[16];
    bool is_4;
    const char *end = forwarded_for ? forwarded_for + strlen(forwarded_for) : NULL;
    snprintf(out, EDGE_ADDRESS_SIZE, "%s", peer);
    /* From the right: each proxy adds what it has seen. */
    while (end && end > forwarded_for && peer_parse(address, &is_4, out) && peer_is_proxy(address, proxies)) {
        const char *start = end;
        while (start > forwarded_for && start[-1] != ',')
            start--;
        char one[EDGE_ADDRESS_SIZE];
        const char *first = start + strspn(start, " ");
        size_t len = first < end ? strcspn(first, ", ") : 0;
        snprintf(one, sizeof(one), "%.*s", (int)(len < sizeof(one) ? len : 0), first);
        if (!peer_parse(address, &is_4, one))
            return;
        snprintf(out, EDGE_ADDRESS_SIZE, "%s", one);
        end = start > forwarded_for ? start - 1 : forwarded_for;
    }
}
