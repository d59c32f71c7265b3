import type { App, RouteParts } from '../door/parts.ts';
import { enter } from './entrance.ts';
import { proxy } from './proxy.ts';

/**
 * Every path that is not Purser's own: the routes of the price book, for customers' keys with the scope
 * of the route. The entrance judges a request before its body is read; the body passes as a stream.
 */
export function addGatewayRoutes(app: App, parts: RouteParts): void {
  const { gateway, unmatched, cors } = parts;
  if (!gateway) {
    unmatched.takeTheRest(app);
    return;
  }
  app.decorateRequest('priced', null);
  app.decorateRequest('asked', null);
  app.decorateRequest('errorFormat', 'purser');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.addHook('onRoute', (route) => {
    route.onRequest = (request, reply, done) => {
      enter(app, { ...parts, gateway }, request, reply).then(done, done);
    };
  });
  cors.share(app, ({ priced }) => priced !== null);
  app.all('/*', { schema: { hide: true } }, (request, reply) =>
    request.asked
      ? proxy(gateway, request, request.asked, reply)
      : unmatched.answer(request, reply),
  );
}
