// Computed on the server, while the site is built.
import { load } from 'heatseek';

export const dynamic = 'force-static';

export async function GET() {
  const model = await load(process.env.APP_MODEL, { cache: false });
  const { data, shape } = await model.embed([process.env.APP_TEXT]);
  model.dispose();
  return Response.json({ data: [...data], shape });
}
