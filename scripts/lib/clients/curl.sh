#!/usr/bin/env bash
# A conversation by curl alone with a running demo. Environment: OPENAI_BASE_URL, OPENAI_API_KEY, and MODEL.
set -euo pipefail
key="authorization: Bearer $OPENAI_API_KEY"
json="content-type: application/json"
root=${OPENAI_BASE_URL%/v1}
fail() { echo "curl: $*" >&2; exit 1; }

body='{"model":"'$MODEL'","messages":[{"role":"user","content":"Name three primary colors."}],"max_tokens":12,"temperature":0'
whole=$(curl -sS --fail -H "$key" -H "$json" -d "$body}" "$OPENAI_BASE_URL/chat/completions")
[[ $whole == *'"object":"chat.completion"'*'"finish_reason":'* ]] || fail "no completion: $whole"
stream=$(curl -sS --fail -N -D /dev/stderr -H "$key" -H "$json" -d "$body,\"stream\":true}" "$OPENAI_BASE_URL/chat/completions" 2>&1)
for needed in 'text/event-stream' 'x-request-id: ' 'openai-processing-ms: ' '"role":"assistant","content":""' 'data: [DONE]'; do
    [[ ${stream,,} == *"${needed,,}"* ]] || fail "the stream lacks '$needed': $stream"
done
[[ $stream != *'event:'* ]] || fail "a chat's stream has named events"

tokens=$(curl -sS --fail -H "$key" -H "$json" -d '{"model":"'$MODEL'","prompt":"Hello, world!"}' "$root/tokenize")
list=$(sed 's/.*"tokens":\(\[[0-9,]*\]\).*/\1/' <<<"$tokens")
text=$(curl -sS --fail -H "$key" -H "$json" -d '{"model":"'$MODEL'","tokens":'"$list"'}' "$root/detokenize")
[[ $text == '{"prompt":"Hello, world!"}' ]] || fail "tokens do not come back as the text: $tokens $text"

status() { curl -sS -o /dev/null -w '%{http_code}' "$@"; }
[ "$(status "$OPENAI_BASE_URL/models")" = 401 ] || fail "no key was needed"
[ "$(status -H "$key" "$OPENAI_BASE_URL/nothing-here")" = 404 ] || fail "an unknown path was found"
[ "$(status -H "$key" -H "$json" -d '{' "$OPENAI_BASE_URL/chat/completions")" = 400 ] || fail "half an object was accepted"
[ "$(status "$root/openapi.json")" = 200 ] || fail "there is no OpenAPI document"
echo "curl: whole, streamed, tokens and back, 400, 401, 404"
