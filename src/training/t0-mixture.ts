// The mixture that T0 was trained on: 38 sets, 313 tasks (t-zero's datasets.csv of the group T0 with promptsource's templates).
import { type LabelRanges, type Mixture, maxExamplesOfSet, type TrainingSet } from './mixture.ts'

/** A row of the table; lists are texts. */
interface Known {
  name: string
  /** The set's repository on the hub; its config is the second part of the name, where there is one. */
  hub: string
  /** Rows of its split `train`, by which T0's caps go. */
  size: number
  /** The fields that the templates name. */
  fields: string
  templates: string
  /** More folders that the set may lie in. */
  also?: readonly string[]
  aliases?: TrainingSet['aliases']
  defaults?: TrainingSet['defaults']
  labels?: LabelRanges
}

// The hub could not be asked when this table was made. Its names are those of public programs that read these sets as far as
// such were found, about half of them; a set may lie elsewhere by now.
const table: readonly Known[] = [
  {
    name: 'glue/mrpc',
    hub: 'nyu-mll/glue',
    size: 3668,
    fields: 'label sentence1 sentence2',
    templates:
      'equivalent | generate_paraphrase | generate_sentence | paraphrase | replace | same thing | ' +
      'want to know',
    also: ['mrpc'],
  },
  {
    name: 'glue/qqp',
    hub: 'nyu-mll/glue',
    size: 363846,
    fields: 'label question1 question2',
    templates: 'answer | duplicate | duplicate or not | meaning | quora | same thing',
    also: ['qqp'],
  },
  {
    name: 'paws/labeled_final',
    hub: 'google-research-datasets/paws',
    size: 49401,
    fields: 'label sentence1 sentence2',
    templates:
      'Concatenation | Concatenation-no-label | Meaning | Meaning-no-label | PAWS-ANLI GPT3 | ' +
      'PAWS-ANLI GPT3-no-label | Rewrite | Rewrite-no-label | context-question | ' +
      'context-question-no-label | paraphrase-task | task_description-no-label',
    also: ['paws'],
  },
  {
    name: 'kilt_tasks/hotpotqa',
    hub: 'facebook/kilt_tasks',
    size: 88869,
    fields: 'input output',
    templates: 'combining_facts | complex_question | final_exam | formulate | straighforward_qa',
  },
  {
    name: 'wiki_qa',
    hub: 'microsoft/wiki_qa',
    size: 20360,
    fields: 'answer document_title label question',
    templates:
      'Decide_good_answer | Direct Answer to Question | Generate Question from Topic | ' +
      'Is This True? | Jeopardy style | Topic Prediction - Answer Only | ' +
      'Topic Prediction - Question Only | Topic Prediction - Question and Answer Pair | ' +
      'automatic_system | exercise | found_on_google',
  },
  {
    name: 'adversarial_qa/dbidaf',
    hub: 'UCLNLP/adversarial_qa',
    size: 10000,
    fields: 'answers context metadata question',
    templates:
      'answer_the_following_q | based_on | generate_question | question_context_answer | ' +
      'tell_what_it_is',
    defaults: { metadata: { split: 'train' } },
  },
  {
    name: 'adversarial_qa/dbert',
    hub: 'UCLNLP/adversarial_qa',
    size: 10000,
    fields: 'answers context metadata question',
    templates:
      'answer_the_following_q | based_on | generate_question | question_context_answer | ' +
      'tell_what_it_is',
    defaults: { metadata: { split: 'train' } },
  },
  {
    name: 'adversarial_qa/droberta',
    hub: 'UCLNLP/adversarial_qa',
    size: 10000,
    fields: 'answers context metadata question',
    templates:
      'answer_the_following_q | based_on | generate_question | question_context_answer | ' +
      'tell_what_it_is',
    defaults: { metadata: { split: 'train' } },
  },
  {
    name: 'duorc/SelfRC',
    hub: 'ibm-research/duorc',
    size: 60721,
    fields: 'answers no_answer plot question title',
    templates:
      'answer_question | build_story_around_qa | decide_worth_it | extract_answer | ' +
      'generate_question | generate_question_by_answer | movie_director | question_answering | ' +
      'title_generation',
  },
  {
    name: 'duorc/ParaphraseRC',
    hub: 'ibm-research/duorc',
    size: 69524,
    fields: 'answers no_answer plot question title',
    templates:
      'answer_question | build_story_around_qa | decide_worth_it | extract_answer | ' +
      'generate_question | generate_question_by_answer | movie_director | question_answering | ' +
      'title_generation',
  },
  {
    name: 'ropes',
    hub: 'allenai/ropes',
    size: 10924,
    fields: 'answers background question situation',
    templates:
      'background_new_situation_answer | background_situation_middle | given_background_situation | ' +
      'new_situation_background_answer | plain_background_situation | plain_bottom_hint | ' +
      'plain_no_background | prompt_beginning | prompt_bottom_hint_beginning | ' +
      'prompt_bottom_no_hint | prompt_mix | read_background_situation',
  },
  {
    name: 'quoref',
    hub: 'allenai/quoref',
    size: 19399,
    fields: 'answers context question title',
    templates:
      'Answer Friend Question | Answer Question Given Context | Answer Test | ' +
      'Context Contains Answer | Find Answer | Found Context Online | Given Context Answer Question | ' +
      'Guess Answer | Guess Title For Context | Read And Extract  | What Is The Answer',
  },
  {
    name: 'cos_e/v1.11',
    hub: 'Salesforce/cos_e',
    size: 9741,
    fields: 'abstractive_explanation answer choices question',
    templates:
      'aligned_with_common_sense | description_question_option_id | ' +
      'description_question_option_text | explain_why_human | generate_explanation_given_text | ' +
      'i_think | question_description_option_id | question_description_option_text | ' +
      'question_option_description_id | question_option_description_text | rationale',
    also: ['cos_e'],
  },
  {
    name: 'cosmos_qa',
    hub: 'allenai/cosmos_qa',
    size: 25262,
    fields: 'answer0 answer1 answer2 answer3 context label question',
    templates:
      'context_answer_to_question | context_description_question_answer_id | ' +
      'context_description_question_answer_text | context_description_question_text | ' +
      'context_question_description_answer_id | context_question_description_answer_text | ' +
      'context_question_description_text | description_context_question_answer_id | ' +
      'description_context_question_answer_text | description_context_question_text | no_prompt_id | ' +
      'no_prompt_text | only_question_answer',
  },
  {
    name: 'dream',
    hub: 'dataset-org/dream',
    size: 6116,
    fields: 'answer choice dialogue question',
    templates:
      'answer-to-dialogue | baseline | generate-first-utterance | generate-last-utterance | ' +
      'read_the_following_conversation_and_answer_the_question',
  },
  {
    name: 'qasc',
    hub: 'allenai/qasc',
    size: 8134,
    fields: 'answerKey choices combinedfact fact1 fact2 question',
    templates:
      'is_correct_1 | is_correct_2 | qa_with_combined_facts_1 | qa_with_separated_facts_1 | ' +
      'qa_with_separated_facts_2 | qa_with_separated_facts_3 | qa_with_separated_facts_4 | ' +
      'qa_with_separated_facts_5',
  },
  {
    name: 'quail',
    hub: 'textmachinelab/quail',
    size: 10246,
    fields: 'answers context correct_answer_id question',
    templates:
      'context_description_question_answer_id | context_description_question_answer_text | ' +
      'context_description_question_text | context_question_answer_description_id | ' +
      'context_question_answer_description_text | context_question_description_answer_id | ' +
      'context_question_description_answer_text | context_question_description_text | ' +
      'description_context_question_answer_id | description_context_question_answer_text | ' +
      'description_context_question_text | no_prompt_id | no_prompt_text',
  },
  {
    name: 'quarel',
    hub: 'community-datasets/quarel',
    size: 1941,
    fields: 'answer_index question world_literals',
    templates: 'choose_between | do_not_use | heres_a_story | logic_test | testing_students',
  },
  {
    name: 'quartz',
    hub: 'allenai/quartz',
    size: 2696,
    fields: 'answerKey choices para question',
    templates:
      'answer_question_based_on | answer_question_below | given_the_fact_answer_the_q | ' +
      'having_read_above_passage | paragraph_question_plain_concat | read_passage_below_choose | ' +
      'use_info_from_paragraph_question | use_info_from_question_paragraph',
  },
  {
    name: 'sciq',
    hub: 'allenai/sciq',
    size: 11679,
    fields: 'correct_answer distractor1 distractor2 distractor3 question support',
    templates:
      'Direct Question | Direct Question (Closed Book) | Multiple Choice | ' +
      'Multiple Choice (Closed Book) | Multiple Choice Question First',
  },
  {
    name: 'social_i_qa',
    hub: 'allenai/social_i_qa',
    size: 33410,
    fields: 'answerA answerB answerC context label question',
    templates:
      'Check if a random answer is valid or not | Generate answer | ' +
      'Generate the question from the answer | I was wondering | Show choices and generate answer | ' +
      'Show choices and generate index',
  },
  {
    name: 'wiki_hop/original',
    hub: 'MoE-UNC/wikihop',
    size: 43738,
    fields: 'answer candidates question supports',
    templates:
      'choose_best_object_affirmative_1 | choose_best_object_affirmative_2 | ' +
      'choose_best_object_affirmative_3 | choose_best_object_interrogative_1 | ' +
      'choose_best_object_interrogative_2 | explain_relation | generate_object | generate_subject | ' +
      'generate_subject_and_object',
    also: ['wiki_hop'],
    aliases: { question: 'query' },
  },
  {
    name: 'wiqa',
    hub: 'allenai/wiqa',
    size: 29808,
    fields:
      'answer_label answer_label_as_choice choices metadata_question_type question_para_step question_stem',
    templates:
      'does_the_supposed_perturbation_have_an_effect | effect_with_label_answer | ' +
      'effect_with_string_answer | what_is_the_final_step_of_the_following_process | ' +
      'what_is_the_missing_first_step | what_might_be_the_first_step_of_the_process | ' +
      'what_might_be_the_last_step_of_the_process | ' +
      'which_of_the_following_is_the_supposed_perturbation',
  },
  {
    name: 'amazon_polarity',
    hub: 'fancyzhx/amazon_polarity',
    size: 3600000,
    fields: 'content label title',
    templates:
      'Is_this_product_review_positive | Is_this_review | Is_this_review_negative | ' +
      'User_recommend_this_product | convey_negative_or_positive_sentiment | flattering_or_not | ' +
      'negative_or_positive_tone | user_satisfied | would_you_buy',
  },
  {
    name: 'app_reviews',
    hub: 'sealuzh/app_reviews',
    size: 288065,
    fields: 'package_name review star',
    templates:
      'categorize_rating_using_review | convert_to_rating | convert_to_star_rating | ' + 'generate_review',
  },
  {
    name: 'imdb',
    hub: 'stanfordnlp/imdb',
    size: 25000,
    fields: 'label text',
    templates:
      'Movie Expressed Sentiment | Movie Expressed Sentiment 2 | ' +
      'Negation template for positive and negative | Reviewer Enjoyment | Reviewer Enjoyment Yes No | ' +
      'Reviewer Expressed Sentiment | Reviewer Opinion bad good choices | ' +
      'Reviewer Sentiment Feeling | Sentiment with choices  | Text Expressed Sentiment | ' +
      'Writer Expressed Sentiment',
  },
  {
    name: 'rotten_tomatoes',
    hub: 'cornell-movie-review-data/rotten_tomatoes',
    size: 8530,
    fields: 'label text',
    templates:
      'Movie Expressed Sentiment | Movie Expressed Sentiment 2 | Reviewer Enjoyment | ' +
      'Reviewer Enjoyment Yes No | Reviewer Expressed Sentiment | Reviewer Opinion bad good choices | ' +
      'Reviewer Sentiment Feeling | Sentiment with choices  | Text Expressed Sentiment | ' +
      'Writer Expressed Sentiment',
  },
  {
    name: 'yelp_review_full',
    hub: 'Yelp/yelp_review_full',
    size: 650000,
    fields: 'label text',
    templates:
      'based_on_that | format_rating | format_score | format_star | on_a_scale | so_i_would | ' +
      'this_place',
  },
  {
    name: 'common_gen',
    hub: 'allenai/common_gen',
    size: 67389,
    fields: 'concepts target',
    templates:
      'Example prompt | Given concepts - type 2 | Given concepts type 1 | Put together | ' +
      'choice in concept centric sentence generation | random task template prompt | ' +
      'sentence to concepts | topic to sentence | topics from the sentence',
  },
  {
    name: 'wiki_bio',
    hub: 'michaelauli/wiki_bio',
    size: 582659,
    fields: 'input_text target_text',
    templates: 'comprehension | guess_person | key_content | what_content | who',
  },
  {
    name: 'cnn_dailymail/3.0.0',
    hub: 'abisee/cnn_dailymail',
    size: 287113,
    fields: 'article highlights',
    templates:
      '2_or_3_sentences | generate_story | news_card_view | news_stock | news_summary | ' +
      'spice_up_story | sum_in_brief | tldr_summary | write_an_outline',
    also: ['cnn_dailymail'],
  },
  {
    name: 'gigaword',
    hub: 'Harvard/gigaword',
    size: 3803957,
    fields: 'document summary',
    templates:
      'TLDR | first_sentence_title | generate_summary_for_this | in_a_nutshell | make_a_title | ' +
      'reverse_writing | write_a_title_for_this_sentence | write_an_article | write_its_sentence',
  },
  {
    name: 'multi_news',
    hub: 'alexfabbri/multi_news',
    size: 44972,
    fields: 'document summary',
    templates:
      'distill | expand (reverse task) | summarize | summary scenario | synthesize | ' +
      'what are the key points',
  },
  {
    name: 'samsum',
    hub: 'Samsung/samsum',
    size: 14732,
    fields: 'dialogue summary',
    templates:
      'Generate a summary for this dialogue | Given the above dialogue write a summary | ' +
      'Sum up the following dialogue | Summarize this dialogue: | Summarize: | ' +
      'To sum up this dialog | Write a dialogue that match this summary',
  },
  {
    name: 'xsum',
    hub: 'EdinburghNLP/xsum',
    size: 204045,
    fields: 'document summary',
    templates:
      'DOC_boils_down_to_simple_idea_that | DOC_given_above_write_one_sentence | ' +
      'DOC_how_would_you_rephrase_few_words | DOC_tldr | DOC_write_summary_of_above | ' +
      'article_DOC_summary | college_roommate_asked_DOC_so_I_recap | read_below_DOC_write_abstract | ' +
      'summarize_DOC | summarize_this_DOC_summary',
  },
  {
    name: 'ag_news',
    hub: 'fancyzhx/ag_news',
    size: 120000,
    fields: 'label text',
    templates:
      'classify | classify_question_first | classify_with_choices | ' +
      'classify_with_choices_question_first | recommend | which_section | which_section_choices',
  },
  {
    name: 'dbpedia_14',
    hub: 'fancyzhx/dbpedia_14',
    size: 560000,
    fields: 'content label title',
    templates:
      'given_a_choice_of_categories  | given_a_list_of_category_what_does_the_title_belong_to | ' +
      'given_list_what_category_does_the_paragraph_belong_to | ' +
      'pick_one_category_for_the_following_text',
  },
  {
    name: 'trec',
    hub: 'CogComp/trec',
    size: 5452,
    fields: 'coarse_label fine_label text',
    templates:
      'fine_grained_ABBR | fine_grained_ABBR_context_first | fine_grained_DESC | ' +
      'fine_grained_DESC_context_first | fine_grained_ENTY | fine_grained_HUM | ' +
      'fine_grained_HUM_context_first | fine_grained_LOC | fine_grained_LOC_context_first | ' +
      'fine_grained_NUM | fine_grained_NUM_context_first | fine_grained_open | ' +
      'fine_grained_open_context_first | pick_the_best_descriptor | trec1 | trec2 | ' +
      'what_category_best_describe | which_category_best_describes',
    labels: { coarse: 'coarse_label', fine: 'fine_label', starts: [0, 2, 24, 28, 32, 37, 50] },
  },
]

/** The sets of the mixture by promptsource's names. */
export const t0Sets: ReadonlyMap<string, TrainingSet> = new Map(table.map(row => [row.name, setOf(row)]))

export const t0Mixture: Mixture = { name: 't0', maxExamples: maxExamplesOfSet, sets: [...t0Sets.values()] }

function setOf({ also = [], fields, templates, ...row }: Known): TrainingSet {
  return {
    ...{ aliases: {}, defaults: {}, ...row, weight: 1 },
    folders: [...foldersOf(row.name, row.hub), ...also],
    fields: fields.split(' '),
    templates: templates.split(' | '),
  }
}

/**
 * The folders that a set may lie in: promptsource's name, the same with an underscore, and the repository's on the hub with
 * the config inside.
 */
export function foldersOf(name: string, hub?: string): string[] {
  const config = name.split('/')[1]
  const repo = hub === undefined || config === undefined ? hub : `${hub}/${config}`
  return [...new Set([name, name.replaceAll('/', '_'), ...(repo === undefined ? [] : [repo])])]
}
