/*
 * Package descriptions that are Ruby programs (Gemfile, gemspec, Podfile, podspec), read a statement at a
 * time: the lines people write are regular enough, and what is computed stays unknown.
 */
#ifndef RB_SCANNER_RUBY_H
#define RB_SCANNER_RUBY_H

#include "scanner/text.h"

#define RB_RUBY_LINES_MAX 40 /* of one statement; a gem with a long list of platforms has a dozen */

/* The next statement without comments, trimmed, lines that go on joined with a blank (in the arena). False at
 * the end, and at "__END__". */
bool rb_ruby_statement(struct rb_piece *statement, struct rb_piece *rest, struct rb_arena *arena);
/* Behind "name", "name(" or "name ": the arguments. False when the statement is another call. */
bool rb_ruby_call(struct rb_piece *arguments, struct rb_piece statement, const char *name);
/* A literal text at the beginning of `rest`, which is moved behind it: '…', "…", %q(…), with ".freeze". False
 * for what is computed. */
bool rb_ruby_text(struct rb_piece *content, struct rb_piece *rest);
/* The value of `name: value`, `:name => value` or `"name" => value` among arguments, up to their end. */
bool rb_ruby_option(struct rb_piece *value, struct rb_piece arguments, const char *name);
/* The same where the value is a literal text. */
bool rb_ruby_option_text(struct rb_piece *text, struct rb_piece arguments, const char *name);
/* Name, and versions joined with ", " (in the arena): `"name", "~> 1", [">= 1.2"], …`. False when the name is
 * no literal. */
bool rb_ruby_requirement(struct rb_piece *name, const char **versions, struct rb_piece arguments,
                         struct rb_arena *arena);
/* Whether it needs an "end" of its own. */
bool rb_ruby_opens_block(struct rb_piece statement);
bool rb_ruby_closes_block(struct rb_piece statement);
/* `receiver.field = "text"`: the text of a literal assignment to the field of anything. */
bool rb_ruby_assigned(struct rb_piece *text, struct rb_piece statement, const char *field);

#endif
