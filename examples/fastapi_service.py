"""A web service of one path. Needs fastapi, and uvicorn to run: uvicorn fastapi_service:app"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from clinspan import DeadlineError, InputError, Recognizer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request, and close it after the last."""
    with Recognizer.load() as app.state.recognizer:
        yield


app = FastAPI(lifespan=lifespan)


class Note(BaseModel):
    """The body of a request."""

    text: str


@app.post("/spans")
async def spans(note: Note) -> list[dict[str, object]]:
    """Find the entities of one note."""
    try:
        found = await app.state.recognizer.arecognize(note.text, timeout=30)
    except InputError as error:
        raise HTTPException(422, str(error)) from None
    except DeadlineError:
        raise HTTPException(503, "not read in time") from None
    return [span.to_dict() for span in found]


@app.exception_handler(RequestValidationError)
async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say what was expected; FastAPI's own answer repeats what was sent, which may be a note."""
    return JSONResponse({"detail": "expected a JSON object with text"}, 422)
