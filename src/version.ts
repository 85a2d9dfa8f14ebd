/**
 * Version of this front end. A test holds it equal to package.json's, and the
 * handshake compares it with the server extension's.
 */
export const VERSION = '0.1.0';
