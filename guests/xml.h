/* SPDX-License-Identifier: Apache-2.0
 *
 * A small strict pull scanner for XML that a hypervisor writes.
 *
 * Elements, attributes, text, comments, CDATA and the five named entities
 * plus character references: nothing else.  A document type is refused, so
 * there is nothing to expand.  It allocates nothing and copies nothing: the
 * text must outlive the scanner.
 */
#ifndef HANGDOG_GUESTS_XML_H
#define HANGDOG_GUESTS_XML_H

#include <stdbool.h>
#include <stddef.h>

struct error;

#define XML_MAX_DEPTH 64
#define XML_MAX_ATTRS 64
#define XML_MAX_BYTES (4u << 20)

enum xml_event
{
  XML_END,   /* of the document */
  XML_OPEN,  /* also of <empty/>, which then has its XML_CLOSE */
  XML_CLOSE, /* the path still names the element that ends */
  XML_TEXT,  /* not only white space */
};

struct xml_span
{
  const char *p;
  size_t len;
};

struct xml
{
  /* For the scanner only. */
  const char *begin, *at, *end;
  struct xml_span path[XML_MAX_DEPTH];
  unsigned depth;
  struct xml_span attr_names[XML_MAX_ATTRS], attr_values[XML_MAX_ATTRS];
  unsigned nattrs;
  struct xml_span text;
  bool raw;     /* the text is CDATA: nothing in it is an entity */
  bool empty;   /* <x/>: XML_CLOSE comes next */
  bool closing; /* the element on top of path ended */
  bool rooted;
};

int xml_init (struct xml *x, const char *text, size_t len, struct error *err);

/* The next event, or -EINVAL with line and what. */
int xml_next (struct xml *x, struct error *err);

/* True when the open elements are exactly these: "domain/devices/serial".
 * Namespace prefixes are part of the name; "*" stands for any one name. */
bool xml_is (const struct xml *x, const char *path);
/* The name of the innermost open element is this one. */
bool xml_name_is (const struct xml *x, const char *name);

/* After XML_OPEN: the attribute's value, entities replaced, cut to fit.
 * False (dst is "") when there is none. */
bool xml_attr (const struct xml *x, const char *name, char *dst, size_t n);
bool xml_attr_is (const struct xml *x, const char *name, const char *value);
/* After XML_TEXT: the text without white space around it. */
void xml_text (const struct xml *x, char *dst, size_t n);

#endif
