import { setNonce } from "get-nonce";

/** The nonce of this page, which styles that libraries add must carry. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";

setNonce(nonce);
