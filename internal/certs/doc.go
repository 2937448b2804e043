// Package certs makes the certificates of a lab, and reads those of TLS from files.
//
// What is made is a CA, a certificate for the supervisor and one for each client, all with ECDSA
// keys on P-256, which every TLS library knows. Keys are readable for their owner alone, and no
// file that is there is written over.
package certs
