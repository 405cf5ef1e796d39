"""Common names in the United Kingdom, of many origins: the last look before a quote is published.

A short list written for this project. It backs up the model, it does not replace it: a name that is not here is the
model's to find.
"""

from __future__ import annotations

_NAMES = """
aaron abdul abdullah abigail abu adam adams adele adrian agnes agnieszka ahmad ahmed aidan aisha akhtar akram alan
alana albert alejandro alex alexander alexandra alfie ali alice alicia alina alison allan allen allison amanda amara
amber amelia amina amir amy ana anand andrea andreea andrew andrzej andy aneta angela angus anita anjali ann anna
anne annette annie anthony antonio anya archie arjun armstrong arthur asha ashley asif atkinson audrey ava ayesha
bailey baker balogun banerjee barbara barker barnes barry beata beatrice becky begum bell ben benjamin bennett
bernadette bernard beth bethan bethany betty beverley bhatt bilal blessing bob bogdan booth bradley brenda brennan
brian bridget bronwen brooks bryan burns byrne callum cameron campbell carl carla carmen carol caroline carolyn carr
carter catherine cathy catrin cecilia ceri chantelle chapman charles charlie charlotte chatterjee chaudhry chelsea
cheryl chidi chinedu chioma chloe choudhury chris christian christina christine christopher ciara claire clare clark
clarke clive colin collins connor cooper cox cristina cunningham cynthia dafydd daisy damian daniel daniela danielle
danny darren dave david davies davis dawn dawson dean debbie deborah declan denise dennis derek dewi diana diane
dilys dixon dominic donald donna doreen doris dorothy douglas duncan dylan ebony eddie edith edward edwards edwin
eileen eilidh elaine eleanor elena elizabeth ella ellen ellie elliott ellis elsie emeka emily emma eric erin esther
ethan eva evan evans evelyn farah fatima femi ffion fiona fletcher florence foster frances francesca francis frank
fraser fred frederick freya funmi gabriel gallagher gareth gary gavin gemma geoff geoffrey george georgia georgina
geraint gerald gerard ghulam gibson gill gillian gina giovanni gladys glenn gloria glyn gordon graeme graham grainne
greg gregory griffiths gupta gurpreet gwen hamilton hamza hannah hardeep harold harpreet harriet harris harrison
harry harvey hassan hayley hazel heather heidi helen helena henry hernandez hilary holly holmes howard howells hugh
hughes hussain hussein hutchinson huw ian ibrahim imran ines ioana iona iqbal irene iris isaac isabel isabella isla
ismail ivan ivor ivy jacek jack jackie jackson jacob jacqueline jade jake jamal james jamie jan jane janet janice
jasmine jason jaspreet javed jayne jean jeanette jeff jeffrey jenkins jenna jennifer jenny jeremy jerome jess
jessica jill jim jimmy jo joan joanna joanne jodie joe joel john johnny johnson johnston jonathan jones jordan jorge
jose joseph josephine josh joshua joyce juan judith julia julian julie june kapoor karen karim karl kasia katarzyna
kate katherine kathleen kathryn katie katrina kaur kay kayleigh keeley keith kelly ken kennedy kenneth kerry kevin
khadija khalid khan kieran kim kiran kirsty kofi kowalski krishna krystyna kumar kwame kyle kylie lakshmi lara laura
lauren lawrence lawson layla leah lee leila leon leonard lesley leslie lewandowski lewis liam lian libby lily linda
lindsay lisa liz lloyd logan lorna lorraine louis louise lucas lucy luke lydia lynn lynne mabel macdonald maciej
madeleine magda magdalena maggie mahmood malcolm malgorzata malik mandy manjit marcus margaret maria mariam marian
marie marilyn marion marjorie marshall marta martha martin martyn mary maryam mason mateusz matt matthew matthews
maureen maurice mavis max maxine mcdonald mckenzie meera megan mehta mei melanie melissa mendes mensah mercy mia
miah michael michaela michal michelle miguel mihai mike mildred millie miriam mirza mitchell mohamed mohammad
mohammed moira molly monica monika morag morgan morris morrison muhammad muriel murphy murray mustafa myra nadia
nadine nancy naomi narinder nasreen natalia natalie natasha nathan neelam neil nerys ngozi nguyen niall niamh
nicholas nick nicky nicola nigel nikki nina noah noel nora noreen norma norman novak nowak nuala obi ogunleye okafor
okeke okonkwo olga oliver olivia olu omar oscar osei osman owen owusu padraig palmer pam pamela parkinson parveen
patel patricia patrick paul paula pauline pawel pearson pedro peggy penelope penny pereira perkins peter phil philip
philippa phillip phillips phoebe phyllis piotr polly popescu poppy powell pradeep priya qureshi rachael rachel
rahman rahul raj rajesh ralph rashid ravi ray raymond rebecca reece reid reynolds rhian rhiannon rhodes rhys richard
richards richardson rita rob robert roberta roberts robertson robin robinson rodney rodrigues roger rogers ronald
ronnie rosa rosalind rosemary rosie ross rowena roy rukhsana rupert russell ruth ryan saba sadia saima sajid saleem
sally salma sam samantha samir samuel sanchez sandeep sandra sanjay santos sara sarah saskia saunders scott sean
sebastian selina shabnam shah shaikh shakira shannon sharma sharon shaun shazia sheila shelley shirley sian siddiqui
silva silvia simon simpson singh siobhan siân smith sofia sonia sophia sophie stacey stanley stefan stella stephanie
stephen steve steven stevens stevenson stewart stuart sue suleiman sunil sunita suresh susan suzanne sven syed
sylvia szymanski tahir tamara tania tanya tara tariq taylor ted terence teresa terry theresa thomas thompson thomson
tim timothy tina tiwari tobias toby todd tom tomasz tommy toni tony tracey tracy trevor tucker tunde turner ullah
una usha valerie vanessa vera veronica vicky victor victoria vijay vikram vincent violet vivian vivien walker
wallace walsh walter wanda watson wayne webb wendy wilfred wilkinson william williams williamson wilson winifred
winston wisniewski wojciech wright wójcik xin yasmin yilmaz yolanda yousuf yusuf yvonne zahra zainab zara zhang zhou
zoe zofia
"""
NAMES = frozenset(_NAMES.split())
"""In lower case; taken for a name however it is written."""

_WORD_NAMES = """
april art august autumn banks barney bill black bob brown bush carol chance charity christian clay clemency cliff
comfort cook crystal daisy dale dawn day dean delight dolly drew earl faith favour fern field fields fortune frank
gale gene gift givemore gladness glen goodness grace gracious grant gray green grey guy happiness harmony heath
heather hence hill holly honey honour hope hunter iris ivy jan jasmine jewel joy june king knight knowledge lance
lane learnmore lily long love lovemore loveness marina mark marsh max may melody memory mercy mick miles miller
miracle modesty nick norm page park parsons pat patience pearl penny pip pope poppy precious price prince promise
ray reed rice rich rob robin rose ruby rusty sandy shepherd short sky small sonny stone storm sue summer swift
talent temple tilly trust trymore tuesday verity victor violet wade ward waters west white will willow winter wisdom
wise wonder wood woody young
"""
WORD_NAMES = frozenset(_WORD_NAMES.split())
"""Words that are names too, in some list or other: one with a capital may be a name; without, it is a word."""

CERTAIN_NAMES = NAMES - WORD_NAMES
"""Names that are not words."""
