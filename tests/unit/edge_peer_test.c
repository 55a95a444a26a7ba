/* Where a client is, behind proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge/edge.h"

static void networks_are_read(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", " ", "10.0.0.0/8", "::1", "10.1.2.3, 192.168.0.0/16,fd00::/8", "0.0.0.0/0", "::/0"};
    static const char *const bad[] = {"10.0.0.0/33", "10.0.0/8",    "::1/129",   "10.0.0.0/",
                                      "10.0.0.0/x",  "10.0.0.0/-1", "localhost", "10.0.0.0/8 nonsense"};
    static const size_t counts[] = {0, 0, 1, 1, 3, 1, 1};
    struct edge_proxies proxies;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(edge_proxies_parse(&proxies, good[i]), RB_OK);
        assert_int_equal(proxies.count, counts[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(edge_proxies_parse(&proxies, bad[i]), RB_EINVAL);
    char many[EDGE_PROXIES_MAX * 4 + 8] = "";
    for (size_t i = 0; i <= EDGE_PROXIES_MAX; i++)
        snprintf(many + i * 4, sizeof(many) - i * 4, "::1,");
    assert_int_equal(edge_proxies_parse(&proxies, many), RB_EINVAL);
}

static void forwarded_addresses_are_believed_from_proxies_alone(void **state)
{
    (void)state;
    static const struct {
        const char *proxies, *peer, *forwarded, *client;
    } cases[] = {
        {"", "1.2.3.4", "9.9.9.9", "1.2.3.4"},           /* no proxy is ours */
        {"10.0.0.0/8", "1.2.3.4", "9.9.9.9", "1.2.3.4"}, /* this one is not */
        {"10.0.0.0/8", "10.0.0.1", NULL, "10.0.0.1"},    /* and says nothing */
        {"10.0.0.0/8", "10.0.0.1", "9.9.9.9", "9.9.9.9"},
        {"10.0.0.0/8", "10.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"}, /* the first is the client's own word */
        {"10.0.0.0/8", "10.0.0.1", "6.6.6.6,9.9.9.9 , 10.2.2.2", "9.9.9.9"}, /* two proxies */
        {"10.0.0.0/8", "10.0.0.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"},        /* all are: the farthest */
        {"10.0.0.0/8", "10.0.0.1", "9.9.9.9, unknown", "10.0.0.1"},
        {"10.0.0.0/8", "10.0.0.1", "", "10.0.0.1"},
        {"10.0.0.0/8", "10.0.0.1", ",,,", "10.0.0.1"},
        {"10.0.0.0/8", "10.0.0.1", "9.9.9.9\r\nX: y", "10.0.0.1"},
        {"::1", "::1", "2001:db8::7", "2001:db8::7"},
        {"127.0.0.0/8", "::ffff:127.0.0.1", "9.9.9.9", "9.9.9.9"}, /* IPv4 on an IPv6 socket */
        {"10.0.0.0/9", "10.127.0.1", "9.9.9.9", "9.9.9.9"},
        {"10.0.0.0/9", "10.128.0.1", "9.9.9.9", "10.128.0.1"},
        {"0.0.0.0/0", "10.128.0.1", "2001:db8::1", "2001:db8::1"},
    };
    char client[EDGE_ADDRESS_SIZE], longest[400];
    struct edge_proxies proxies;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(edge_proxies_parse(&proxies, cases[i].proxies), RB_OK);
        edge_client_address(client, &proxies, cases[i].peer, cases[i].forwarded);
        assert_string_equal(client, cases[i].client);
    }
    memset(longest, '1', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    edge_client_address(client, &proxies, "10.0.0.1", longest);
    assert_string_equal(client, "10.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_read),
        cmocka_unit_test(forwarded_addresses_are_believed_from_proxies_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
