/* What an extension of several languages means where neither the content nor anything around the file tells.
 */
#include <string.h>

#include "lib/repo/language_data.h"
#include "lib/repo/language_tree.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* What an extension mostly means, where no neighbour tells and linguist's own last rule does not either. */
static const char *const mostly[][2] = {
    {".as", "ActionScript"},
    {".asm", "Assembly"},
    {".bb", "BitBake"},
    {".cgi", "Perl"},
    {".cl", "Common Lisp"},
    {".cls", "TeX"},
    {".d", "D"},
    {".e", "Eiffel"},
    {".f", "Fortran"},
    {".for", "Fortran"},
    {".fpp", "Fortran"},
    {".fs", "F#"},
    {".ftl", "FreeMarker"},
    {".g", "GAP"},
    {".gd", "GDScript"},
    {".hh", "C++"},
    {".i", "SWIG"},
    {".inc", "PHP"},
    {".jq", "jq"},
    {".l", "Lex"},
    {".lean", "Lean 4"},
    {".lisp", "Common Lisp"},
    {".lsp", "Common Lisp"},
    {".m", "Objective-C"},
    {".mc", "Monkey C"},
    {".ml", "OCaml"},
    {".mm", "Objective-C++"},
    {".mo", "Modelica"},
    {".mojo", "Mojo"},
    {".ncl", "Nickel"},
    {".nu", "Nushell"},
    {".odin", "Odin"},
    {".pl", "Perl"},
    {".pm", "Perl"},
    {".pp", "Puppet"},
    {".pro", "QMake"},
    {".qs", "Q#"},
    {".r", "R"},
    {".re", "Reason"},
    {".res", "ReScript"},
    {".s", "Unix Assembly"},
    {".scm", "Scheme"},
    {".shader", "ShaderLab"},
    {".spec", "RPM Spec"},
    {".st", "Smalltalk"},
    {".sw", "Sway"},
    {".tpl", "Smarty"},
    {".trigger", "Apex"},
    {".tsp", "TypeSpec"},
    {".v", "Verilog"},
    {".x", "RPC"},
};

/* Against linguist's own last rule, which is for what the tests leave: a test nearly always holds. */
static const char *const nearly_always[][2] = {
    {".typ", "Typst"}, {".tl", "Teal"}, {".star", "Starlark"}, {".frag", "GLSL"}};

static int guess_find(const char *const (*table)[2], size_t count, const char *extension)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i][0], extension) == 0)
            return rb_language_index(table[i][1]);
    }
    return RB_LANGUAGE_NONE;
}

int language_guess_default(const char *extension)
{
    int language = guess_find(nearly_always, COUNT(nearly_always), extension);
    const struct language_heuristic *heuristic =
        language == RB_LANGUAGE_NONE ? language_heuristic_of(extension) : NULL;
    return heuristic ? language_heuristic_default(heuristic) : language;
}

int language_guess_mostly(const char *extension)
{
    return guess_find(mostly, COUNT(mostly), extension);
}
