/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of stacks.  See frames.h.
 */
#include "kernel/text/frames.h"

#include "kernel/text/rust_name.h"

#include "base/cleanup.h"

#include <string.h>

struct cursor
{
  const char *p, *end;
};

static bool
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static bool
is_hex (char c)
{
  return is_digit (c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_name_start (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* '$' and '.' come from compilers, ':' and the brackets from Rust. */
static bool
is_name (char c)
{
  return is_name_start (c) || is_digit (c) || c == '.' || c == '$';
}

static void
skip_blanks (struct cursor *c)
{
  while (c->p < c->end && is_blank (*c->p))
    c->p++;
}

static bool
eat (struct cursor *c, const char *word)
{
  size_t n = strlen (word);

  if ((size_t) (c->end - c->p) < n || memcmp (c->p, word, n) != 0)
    return false;
  c->p += n;
  return true;
}

static bool
eat_hex (struct cursor *c, uint64_t *ret)
{
  const char *s = c->p;
  uint64_t v = 0;

  for (; s < c->end && is_hex (*s) && s - c->p < 17; s++)
    v = v << 4
        | (uint64_t) (is_digit (*s) ? *s - '0' : (*s | 0x20) - 'a' + 10);
  if (s == c->p || s - c->p > 16)
    return false;
  c->p = s;
  *ret = v;
  return true;
}

/* "[<ffffffff81234567>]", "[c00000001234]", "(ptrval)" forms; with "[<...>]
 * [<...>]" and "[addr][addr]" both are taken. */
static bool
eat_address (struct cursor *c)
{
  struct cursor t = *c;
  uint64_t v;
  bool angle;

  if (!eat (&t, "["))
    return false;
  angle = eat (&t, "<");
  (void) eat (&t, "0x");
  if (!eat (&t, "(ptrval)"))
    {
      const char *s = t.p;

      if (!eat_hex (&t, &v) || (!angle && t.p - s < 8))
        return false;
    }
  if ((angle && !eat (&t, ">")) || !eat (&t, "]"))
    return false;
  *c = t;
  return true;
}

static unsigned
eat_addresses (struct cursor *c)
{
  unsigned n = 0;

  for (; eat_address (c); n++)
    skip_blanks (c);
  return n;
}

/* Names of Rust's hold blanks: everything up to the sign of the offset. */
static const char *
rust_name_end (const struct cursor *c)
{
  const char *s;

  if (c->p >= c->end || (*c->p != '<' && !is_name_start (*c->p)))
    return NULL;
  for (s = c->p; s + 2 < c->end; s++)
    if (s[0] == '+' && s[1] == '0' && s[2] == 'x')
      return memmem (c->p, (size_t) (s - c->p), "::", 2) ? s : NULL;
  return NULL;
}

static const char *
name_end (const struct cursor *c)
{
  const char *s = c->p;

  if (s < c->end && *s == '.') /* entry points of the old ppc ABI */
    s++;
  if (s >= c->end || !is_name_start (*s))
    return NULL;
  while (s < c->end && is_name (*s))
    s++;
  return s;
}

/* What compilers append (".isra.0", ".cold", ".llvm.123") differs from build
 * to build; C has no dots in names of its own. */
static void
put_name (char *dst, size_t n, const char *s, const char *end)
{
  const char *dot;
  size_t len;

  if (s < end && *s == '.')
    s++;
  if (s < end && *s == '_' && rust_name (s, (size_t) (end - s), dst, n))
    return;
  dot = memchr (s, ':', (size_t) (end - s))
            ? NULL
            : memchr (s, '.', (size_t) (end - s));
  len = (size_t) ((dot ? dot : end) - s);
  if (len >= n)
    len = n - 1;
  memcpy (dst, s, len);
  dst[len] = '\0';
}

static void
put (char *dst, size_t n, const char *s, size_t len)
{
  if (len >= n)
    len = n - 1;
  memcpy (dst, s, len);
  dst[len] = '\0';
}

/* "+0x1f/0x280"; *ret_any says whether there was one at all. */
static bool
eat_offset (struct cursor *c, uint64_t *offset, uint64_t *size)
{
  struct cursor t = *c;
  uint64_t o, z = 0;

  if (!eat (&t, "+0x") || !eat_hex (&t, &o))
    return false;
  if (eat (&t, "/0x") && !eat_hex (&t, &z))
    return false;
  *offset = o;
  *size = z;
  *c = t;
  return true;
}

/* "path/file.c:123", behind a name: a dot, a colon and a number. */
static bool
eat_where (struct cursor *c, char *dst, size_t n)
{
  const char *s = c->p, *e = s, *colon = NULL;

  while (e < c->end && !is_blank (*e))
    {
      if (*e == ':' && e + 1 < c->end && is_digit (e[1]))
        colon = e;
      e++;
    }
  if (!colon || colon - s < 3
      || !(memchr (s, '.', (size_t) (colon - s))
           || memchr (s, '/', (size_t) (colon - s)))
      || *s == '[' || *s == '(')
    return false;
  put (dst, n, s, (size_t) (e - s));
  c->p = e;
  return true;
}

static void
eat_module (struct cursor *c, char *dst, size_t n)
{
  const char *s, *e;

  if (c->p >= c->end || *c->p != '[')
    return;
  s = e = c->p + 1;
  while (e < c->end && (is_name (*e) || *e == '-'))
    e++;
  /* A build id may follow within the same brackets. */
  if (e == s || e >= c->end || (*e != ']' && *e != ' '))
    return;
  if ((size_t) (e - s) == 6 && memcmp (s, "inline", 6) == 0)
    return;
  put (dst, n, s, (size_t) (e - s));
  while (e < c->end && *e != ']')
    e++;
  c->p = e < c->end ? e + 1 : e;
}

/* A name with its offset at c, and what follows.  Without an offset it must
 * be a symbolizer's "func file.c:12 [inline]". */
static bool
eat_symbol (struct cursor *c, struct text_frame *f)
{
  struct cursor t = *c;
  const char *name = t.p, *end = name_end (&t);
  uint64_t offset = 0, size = 0;
  char where[sizeof f->where] = "", module[sizeof f->module] = "";
  bool inlined;

  if (!end || end == t.end || *end == ':' || *end == '<')
    {
      const char *rust = rust_name_end (&t);

      end = rust ? rust : end;
    }
  if (!end)
    return false;
  t.p = end;
  if (!eat_offset (&t, &offset, &size))
    {
      skip_blanks (&t);
      if (!eat_where (&t, where, sizeof where))
        return false;
      skip_blanks (&t);
      inlined = eat (&t, "[inline]");
      if (!inlined)
        return false;
    }
  else
    {
      skip_blanks (&t);
      if (eat_where (&t, where, sizeof where))
        skip_blanks (&t);
      eat_module (&t, module, sizeof module);
      skip_blanks (&t);
      if (!where[0])
        (void) eat_where (&t, where, sizeof where);
    }
  put_name (f->func, sizeof f->func, name, end);
  memcpy (f->module, module, sizeof module);
  memcpy (f->where, where, sizeof where);
  f->offset = offset;
  f->size = size;
  f->guess = false;
  *c = t;
  return true;
}

/* ---- where the CPU was ---- */

struct ip_word
{
  const char *word;
  enum frame_form form;
};

static const struct ip_word ip_words[] = {
  { "RIP", FRAME_IP },       { "EIP", FRAME_IP },   { "IP", FRAME_IP },
  { "PC is at", FRAME_IP },  { "pc", FRAME_IP },    { "epc", FRAME_IP },
  { "NIP", FRAME_IP },       { "era", FRAME_IP },   { "ERA", FRAME_IP },
  { "TPC", FRAME_IP },       { "Krnl PSW", FRAME_IP },
  { "LR is at", FRAME_LR },  { "lr", FRAME_LR },    { "LR", FRAME_LR },
  { "ra", FRAME_LR },
};

/* "0010:", "0033:": user segments have their lowest two bits set. */
static bool
eat_segment (struct cursor *c, bool *ret_user)
{
  struct cursor t = *c;
  uint64_t v;

  if (!eat_hex (&t, &v) || t.p - c->p != 4 || !eat (&t, ":"))
    return false;
  *c = t;
  *ret_user = (v & 3) == 3;
  return true;
}

/* s390 and ppc tell the address, or the whole PSW, before the name. */
static void
skip_to_symbol (struct cursor *c)
{
  uint64_t v;

  for (;;)
    {
      struct cursor t = *c;

      skip_blanks (&t);
      (void) eat (&t, "0x");
      if (eat_hex (&t, &v)
          && (t.p == t.end || is_blank (*t.p) || *t.p == ':'))
        {
          if (t.p < t.end && *t.p == ':')
            t.p++;
          *c = t;
          continue;
        }
      skip_blanks (c);
      if (!eat (c, ":") && !eat (c, "(") && !eat (c, "<"))
        return;
    }
}

static enum frame_form
parse_ip (struct cursor c, struct text_frame *ret)
{
  size_t i;

  if (!strchr ("REIPpcNKTLlr", *c.p) && *c.p != 'e')
    return FRAME_NOT;
  for (i = 0; i < ARRAY_LEN (ip_words); i++)
    {
      struct cursor t = c;
      bool user = false;
      const char *before;

      if (*ip_words[i].word != *c.p || !eat (&t, ip_words[i].word))
        continue;
      if (t.p >= t.end || (*t.p != ':' && !is_blank (*t.p)))
        continue;
      skip_blanks (&t);
      (void) eat (&t, ":");
      skip_blanks (&t);
      if (eat (&t, "is at "))
        skip_blanks (&t);
      if (eat_segment (&t, &user) && user)
        return FRAME_USER;
      skip_blanks (&t);
      before = t.p;
      (void) eat_addresses (&t);
      skip_to_symbol (&t);
      if (eat_symbol (&t, ret))
        return ip_words[i].form;
      if (t.p > before)
        return FRAME_RAW;
    }
  return FRAME_NOT;
}

/* ---- arm ---- */

/* "(func) from [<..>] (caller+0x1/0x2)" and "func from caller+0x1/0x2": the
 * line is about func, whose own offset new kernels do not say. */
static bool
parse_from (struct cursor c, struct text_frame *ret)
{
  struct cursor t = c;
  const char *name, *end;
  bool paren = eat (&t, "(");
  struct text_frame f = { .func = "" };

  name = t.p;
  end = name_end (&t);
  if (!end)
    return false;
  t.p = end;
  (void) eat_offset (&t, &f.offset, &f.size);
  if (paren)
    {
      skip_blanks (&t);
      eat_module (&t, f.module, sizeof f.module);
      if (!eat (&t, ")"))
        return false;
    }
  skip_blanks (&t);
  eat_module (&t, f.module, sizeof f.module);
  skip_blanks (&t);
  if (!eat (&t, "from "))
    return false;
  skip_blanks (&t);
  if (!eat_addresses (&t) && !paren)
    {
      if (!name_end (&t))
        return false;
    }
  put_name (f.func, sizeof f.func, name, end);
  *ret = f;
  return true;
}

static bool
parse_call (struct cursor c, struct text_frame *ret)
{
  bool guess = false, paren;

  paren = eat (&c, "(");
  (void) eat_addresses (&c);
  if (paren)
    (void) eat (&c, ")");
  skip_blanks (&c);
  if (eat (&c, "? "))
    {
      guess = true;
      skip_blanks (&c);
      (void) eat_addresses (&c);
    }
  paren = eat (&c, "(")
          || (c.p < c.end && *c.p == '<' && !rust_name_end (&c)
              && eat (&c, "<"));
  if (!eat_symbol (&c, ret))
    return false;
  if (paren)
    (void) (eat (&c, ")") || eat (&c, ">"));
  skip_blanks (&c);
  if (eat (&c, "(unreliable)"))
    guess = true;
  (void) eat (&c, ")");
  skip_blanks (&c);
  /* Long text behind a symbol is a sentence, not a stack. */
  if (c.p < c.end && c.end - c.p > 40)
    return false;
  ret->guess = guess;
  return true;
}

enum frame_form
frame_parse (const char *text, size_t len, struct text_frame *ret)
{
  struct cursor c = { text, text + len };
  struct text_frame f;
  enum frame_form form;
  unsigned n;

  skip_blanks (&c);
  if (c.end - c.p < 4 || c.end - c.p > 400)
    return FRAME_NOT;
  form = parse_ip (c, &f);
  if (form == FRAME_IP || form == FRAME_LR)
    *ret = f;
  if (form != FRAME_NOT)
    return form;
  if (parse_call (c, &f))
    {
      *ret = f;
      return FRAME_CALL;
    }
  n = eat_addresses (&c);
  if (parse_from (c, &f))
    {
      *ret = f;
      return FRAME_CALL;
    }
  return n ? FRAME_RAW : FRAME_NOT;
}

/* ---- system calls ---- */

/* What the same call is named on other machines and by other wrappers. */
static const char *const syscall_heads[] = {
  "__x64_sys_",        "__ia32_sys_",         "__x32_compat_sys_",
  "__x64_compat_sys_", "__ia32_compat_sys_",  "__arm64_sys_",
  "__riscv_sys_",      "__arm64_compat_sys_", "__riscv_compat_sys_",
  "__s390x_sys_",      "__s390_sys_",         "__se_sys_",
  "__se_compat_sys_",  "__do_sys_",           "__do_compat_sys_",
  "__powerpc_sys_",    "SyS_",                "SYSC_",
  "sys_",
};

void
frame_generic_syscall (const char *func, char *dst, size_t n)
{
  char rest[TEXT_FUNC_MAX];
  size_t i;

  for (i = 0; i < ARRAY_LEN (syscall_heads); i++)
    {
      size_t len = strlen (syscall_heads[i]);

      if (strncmp (func, syscall_heads[i], len) == 0)
        {
          put (rest, sizeof rest, func + len, strlen (func + len));
          put (dst, n, "sys_", 4);
          if (n > 5)
            put (dst + 4, n - 4, rest, strlen (rest));
          return;
        }
    }
  if (dst != func)
    put (dst, n, func, strlen (func));
}
