import { fieldsOf, type OpenApi, resolve, type Schema, typeOf } from "./document.ts";
import { Prose } from "./prose.tsx";

/** Schemas that hold themselves, or nest deeper than anybody reads, end here. */
const DEEPEST = 5;

/** The fields of an object as a table; those of what they hold open below. */
export function Fields({
  document,
  schema,
  depth = 0,
}: {
  document: OpenApi;
  schema: Schema;
  depth?: number;
}) {
  const own = resolve(document, schema);
  const choices = own.anyOf ?? own.oneOf;
  if (choices?.some((choice) => fieldsOf(document, choice) !== null)) {
    return (
      <>
        {choices.map((choice, i) => (
          <div key={i}>
            <p class="quiet">{i === 0 ? "One of these:" : "or"}</p>
            <Fields document={document} schema={choice} depth={depth} />
          </div>
        ))}
      </>
    );
  }
  const fields = fieldsOf(document, own);
  if (fields === null)
    return (
      <p>
        <code>{typeOf(schema)}</code>
      </p>
    );
  return (
    <dl class="fields">
      {fields.map(({ name, schema: field, required }) => (
        <div key={name}>
          <dt>
            <code>{name}</code> <span class="quiet">{typeOf(field)}</span>
            {required && <span class="needed"> needed</span>}
          </dt>
          <dd>
            <Prose text={field.description ?? resolve(document, field).description ?? ""} />
            {field.default !== undefined && (
              <p class="quiet">
                default <code>{JSON.stringify(field.default)}</code>
              </p>
            )}
            {depth < DEEPEST && hasFields(document, field) && (
              <details>
                <summary>fields of {name}</summary>
                <Fields document={document} schema={field} depth={depth + 1} />
              </details>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function hasFields(document: OpenApi, schema: Schema): boolean {
  const own = resolve(document, schema);
  const choices = own.anyOf ?? own.oneOf ?? [];
  return fieldsOf(document, own) !== null || choices.some((choice) => fieldsOf(document, choice) !== null);
}
