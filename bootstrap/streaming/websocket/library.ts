/** A package, loaded on first use by way of this file: of a CommonJS one, a bundle in pieces has no names. */
export { createWebSocketStream, WebSocketServer } from 'ws'
