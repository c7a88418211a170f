// Asks the search of a rendered site, without a browser: node search.mjs SITE QUERY... prints, for each query, the pages
// that are found, best first, as a list of lists. The theme's own worker does the work; see its message types.
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { runInThisContext } from "node:vm"

const [site, ...queries] = process.argv.slice(2)
const [SETUP, QUERY] = [0, 2]

const workers = join(site, "assets/javascripts/workers")
const worker = readdirSync(workers).find(name => /^search\..*\.js$/.test(name))
const answers = []
let ask
globalThis.self = globalThis
globalThis.addEventListener = (_type, listener) => { ask = listener }
globalThis.postMessage = answer => { answers.push(answer.data) }
runInThisContext(readFileSync(join(workers, worker), "utf-8"))

// The automaton of all words takes different words for the same where their ends are numbers that happen to read alike,
// and then a search fails that comes by a word that is not there.
let words
const build = lunr.Builder.prototype.build
lunr.Builder.prototype.build = function () {
  const built = build.call(this)
  words = built.tokenSet.toArray().filter(word => !(word in built.invertedIndex))
  return built
}

const index = JSON.parse(readFileSync(join(site, "search/search_index.json"), "utf-8"))
const began = performance.now()
await ask({ data: { type: SETUP, data: { ...index, options: { suggest: false } } } })
const ready = performance.now()
answers.length = 0
for (const query of queries) await ask({ data: { type: QUERY, data: query } })
const found = answers.map(({ items }) => items.map(sections => sections[0].location.split("#")[0]))
const seconds = { ready: (ready - began) / 1000, query: (performance.now() - ready) / 1000 / queries.length }
console.log(JSON.stringify({ found, seconds, words }))
