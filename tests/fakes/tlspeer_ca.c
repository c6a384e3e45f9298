/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates of tlspeer.h.
 */
#include "tests/fakes/tlspeer.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct ca
{
  EVP_PKEY *key;
  X509 *cert;
  long serial;
};

static void
add_ext (X509 *x, X509 *issuer, int nid, const char *value)
{
  X509_EXTENSION *e;
  X509V3_CTX v3;

  X509V3_set_ctx (&v3, issuer, x, NULL, NULL, 0);
  e = X509V3_EXT_conf_nid (NULL, &v3, nid, value);
  if (e == NULL || X509_add_ext (x, e, -1) != 1)
    abort ();
  X509_EXTENSION_free (e);
}

static X509 *
blank (EVP_PKEY *key, const char *common_name, long serial, int days_from,
       int days_to)
{
  X509 *x = X509_new ();

  X509_set_version (x, X509_VERSION_3);
  ASN1_INTEGER_set (X509_get_serialNumber (x), serial);
  X509_gmtime_adj (X509_getm_notBefore (x), days_from * 86400L);
  X509_gmtime_adj (X509_getm_notAfter (x), days_to * 86400L);
  X509_set_pubkey (x, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (x), "CN", MBSTRING_ASC,
                              (const unsigned char *) common_name, -1, -1, 0);
  return x;
}

static void
write_cert (const char *dir, const char *name, X509 *x)
{
  char path[300];
  FILE *f;

  snprintf (path, sizeof path, "%s/%s.pem", dir, name);
  f = fopen (path, "we");
  if (f == NULL || PEM_write_X509 (f, x) != 1 || fclose (f) != 0)
    abort ();
}

struct ca *
ca_new (const char *dir, const char *name)
{
  struct ca *ca = calloc (1, sizeof *ca);

  if (ca == NULL)
    abort ();
  ca->key = EVP_EC_gen ("P-256");
  ca->serial = 1;
  ca->cert = blank (ca->key, name, 1, -1, 30);
  X509_set_issuer_name (ca->cert, X509_get_subject_name (ca->cert));
  add_ext (ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
  add_ext (ca->cert, ca->cert, NID_subject_key_identifier, "hash");
  if (X509_sign (ca->cert, ca->key, EVP_sha256 ()) == 0)
    abort ();
  write_cert (dir, name, ca->cert);
  return ca;
}

void
ca_free (struct ca *ca)
{
  if (ca == NULL)
    return;
  X509_free (ca->cert);
  EVP_PKEY_free (ca->key);
  free (ca);
}

void
ca_issue (struct ca *ca, const char *dir, const char *name, const char *subject,
          int days_from, int days_to)
{
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *x = blank (key, name, ++ca->serial, days_from, days_to);
  char path[300];
  FILE *f;
  int fd;

  X509_set_issuer_name (x, X509_get_subject_name (ca->cert));
  add_ext (x, ca->cert, NID_subject_alt_name, subject);
  add_ext (x, ca->cert, NID_authority_key_identifier, "keyid");
  if (X509_sign (x, ca->key, EVP_sha256 ()) == 0)
    abort ();
  write_cert (dir, name, x);
  snprintf (path, sizeof path, "%s/%s.key", dir, name);
  fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  f = fd < 0 ? NULL : fdopen (fd, "w");
  if (f == NULL || PEM_write_PrivateKey (f, key, NULL, NULL, 0, NULL, NULL) != 1
      || fclose (f) != 0)
    abort ();
  X509_free (x);
  EVP_PKEY_free (key);
}
